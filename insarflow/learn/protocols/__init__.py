"""Scores as papers worked them out, beside the project's own."""

from insarflow.learn.protocols.evaluation import PROTOCOLS, Evaluation, evaluate

__all__ = ["PROTOCOLS", "Evaluation", "evaluate"]
