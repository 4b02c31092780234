"""What reads bytes that others wrote, under a fuzzer: ``make fuzz SECONDS=60``.

Each target is a module with one function, ``check(data)``, that raises when a property does not
hold; that nothing raises and nothing takes long are two of them. `fuzz.__main__` lets atheris (with
libFuzzer's view of the branches taken) make up the bytes. ``corpus/TARGET`` has a small input for
each way through the code that was ever found (`fuzz.keep` puts it there); `test_corpus` checks them
all in every test run. What a fuzzer finds goes there too, beside a test that says what was wrong.
"""
