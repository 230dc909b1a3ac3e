"""The flags that say what a model is trained on, and from what, beside a run file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from insarflow.cli.options import PROCESSING, SELECTION, epochs, flag
from insarflow.cli.values import number, parse_day, read_flag, read_optional, whole

if TYPE_CHECKING:
    from insarflow.workflows.run_train import TrainRun

NOTHING = "none"
"""What ``--from`` says for drawn weights."""

Stacks = Annotated[
    list[str] | None,
    typer.Argument(metavar="STACK...", help="Stacks that --labels were outlined on.", show_default=False),
]


@dataclass(frozen=True)
class Tuning:
    """Labels of one's own."""

    labels: Annotated[
        str | None,
        flag("--labels", what="GeoPackage, GeoJSON or Shapefile of outlined movers.", panel=SELECTION, metavar="FILE"),
    ] = None
    holdout: Annotated[
        str | None,
        flag("--holdout", what="Polygons of the ground that is kept for the score.", panel=SELECTION, metavar="FILE"),
    ] = None
    holdout_start: Annotated[
        str | None,
        flag(
            "--holdout-start",
            what="Day from which acquisitions are kept for the score.",
            panel=SELECTION,
            metavar="DATE",
            show_default="the last three tenths",
        ),
    ] = None
    shared_images: Annotated[
        bool,
        flag(
            "--shared-images",
            what="Let training and score share radar images; the score may be too good.",
            panel=SELECTION,
            metavar="",
        ),
    ] = False
    validation: Annotated[
        str | None,
        flag(
            "--validation",
            what="Polygons of the ground that threshold and calibration are chosen on.",
            panel=SELECTION,
            metavar="FILE",
            show_default="a strip along one side",
        ),
    ] = None
    field: Annotated[
        list[str] | None,
        flag(
            "--field",
            what="Column of the labels: confidence, repetition, class, status, first, last, date or delay.",
            panel=SELECTION,
            metavar="MEANING=COLUMN",
            show_default=False,
        ),
    ] = None
    start: Annotated[
        str | None,
        flag(
            "--from",
            what="Model to fine-tune; none for drawn weights.",
            panel=PROCESSING,
            metavar="MODEL",
            show_default="default",
        ),
    ] = None
    epochs: Annotated[
        int | None,
        epochs(show_default="12, or 60 from none"),
    ] = None
    learning_rate: Annotated[
        float | None,
        flag(
            "--learning-rate",
            what="The highest.",
            panel=PROCESSING,
            metavar="RATE",
            parser=number(0),
            show_default="0.0003, or 0.002 from none",
        ),
    ] = None
    patch: Annotated[
        int,
        flag(
            "--patch",
            what="Side of the patches that such a model was trained on, in pixels.",
            panel=PROCESSING,
            metavar="N",
            parser=whole(8),
        ),
    ] = 128

    def asked(self) -> list[str]:
        """The flags that were given."""
        return [
            f"--{'from' if n == 'start' else n.replace('_', '-')}"
            for n, v in vars(self).items()
            if v != getattr(Tuning, n)
        ]

    def described(self, stacks: Sequence[str]) -> TrainRun:
        """The training that the flags ask for."""
        from insarflow.learn.weights import load_card
        from insarflow.workflows.run_train import FINE_TUNING, FROM_NOTHING, TrainRun
        from insarflow.workflows.train_data import Labelled

        if self.labels is None:
            raise typer.BadParameter("it is needed to train on a stack", param_hint="--labels")
        if self.holdout is None and self.holdout_start is None:
            raise typer.BadParameter(
                "it, or --holdout-start, is needed: a score on what was trained on tells nothing",
                param_hint="--holdout",
            )
        data = Labelled(
            tuple(read_flag("STACK", stack, str) for stack in stacks), self.labels, self.holdout,
            read_optional("--holdout-start", self.holdout_start, parse_day), self.shared_images, self.validation,
            fields=dict(read_flag("--field", text, _field) for text in self.field or ()), patch=self.patch,
        )  # fmt: skip
        model = None if self.start == NOTHING else self.start or "default"
        training = FROM_NOTHING if model is None else FINE_TUNING
        if self.epochs is not None:
            training = replace(training, epochs=self.epochs)
        if self.learning_rate is not None:
            training = replace(training, learning_rate=self.learning_rate)
        if model is None:
            return TrainRun(data, training).absolute()
        card = load_card(model)
        return TrainRun(data, training, card.architecture, card.channels, model).absolute()


def _field(text: str) -> tuple[str, str]:
    meaning, _, column = text.partition("=")
    if not meaning.strip() or not column.strip():
        raise ValueError(f"it must be like confidence=CONF, instead got {text!r:.80}")
    return meaning.strip(), column.strip()
