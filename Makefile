# make demo         the published pair of hosts on this machine: failover and back, in 15 seconds
# make test         everything that CI runs, beside the real ucarp and keepalived
# make sim          plays random failures of hosts and networks, SCENARIOS=10000; SEED= tells one
# make fuzz         lets a fuzzer try to break every reader, SECONDS=60 for each
# make packages     sdist, wheel, .deb and .rpm in dist/, checked
# make test-system  boots two machines, installs the .deb over ucarp, and breaks things
# make manual       writes docs/man from the programs themselves
# make pictures     takes docs/pictures of vipctl anew, from a running pair
# make bench        measures beside ucarp and keepalived; writes docs/benchmarks.md
# make chaos        10 minutes of random faults on three hosts; MINUTES=2, SEED=…
# make soak         30 minutes of reloads and transitions: what is left over? MINUTES=3
# make lint         formatting, types, and the walls between the rooms
# make format       let ruff rewrite what `make lint` complains about
#
# Each prepares what it needs: a .venv, and missing programs from the distribution where it may.

.PHONY: demo test sim fuzz packages test-system manual pictures bench chaos soak lint format clean
# Programs that are compiled anew at each start are not what anybody installs.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv/bin
# Most tests wait for something to happen most of the time: three for each processor here.
JOBS ?= $(shell echo $$(( $$(nproc) * 3 )))
SECONDS ?= 60
SCENARIOS ?= 10000

demo:
	@packaging/prepare demo
	@$(VENV)/vipctl lab demo

test:
	@packaging/prepare test
	@$(MAKE) --no-print-directory lint
	$(VENV)/python -m pytest -n $(JOBS) --dist worksteal -m "not system and not alone" $(TESTS)
	$(VENV)/python -m pytest -m alone $(TESTS) || [ $$? = 5 ]

sim:
	@packaging/prepare demo
	PYTHONPATH=.:tests $(VENV)/python -m sim $(or $(SEED),--scenarios $(SCENARIOS) $(SIM))

fuzz:
	@packaging/prepare fuzz
	PYTHONPATH=tests $(VENV)/python -m fuzz --seconds $(SECONDS) $(FUZZ)

packages:
	@packaging/prepare packages
	packaging/build

test-system:
	@packaging/prepare system
	$(VENV)/python -m pytest -m system tests/system $(TESTS)

manual:
	@packaging/prepare demo
	$(VENV)/python packaging/manual

pictures:
	@packaging/prepare test
	$(VENV)/python packaging/pictures.py

bench:
	@packaging/prepare bench
	$(VENV)/python -m bench $(BENCH)

chaos:
	@packaging/prepare test
	PYTHONPATH=tests $(VENV)/python -m chaos $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SEED),--seed $(SEED))

soak:
	@packaging/prepare test
	PYTHONPATH=tests $(VENV)/python -m soak $(if $(MINUTES),--minutes $(MINUTES)) $(SOAK)

lint:
	@packaging/prepare demo
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports

format:
	@packaging/prepare demo
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

clean:
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
