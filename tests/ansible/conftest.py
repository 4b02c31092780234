from helpers.rollout import rollout

__all__ = ["rollout"]
