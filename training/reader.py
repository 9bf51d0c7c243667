"""Makes a reader: labelled questions -> a model folder that `pincite ask --reader DIR` takes.

The same files, settings and machine give the same weights, also when the run was killed and started again.
"""

import argparse
import hashlib
import json
import logging
import sys
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self, TypeVar

import torch
import transformers
from rich.console import Console
from rich.progress import Progress as Bar

from index.errors import PinciteError, UsageError
from index.models import check_files, sha256_of
from index.runtime import has_bf16
from training import attention, checkpoint
from training.card import Made, write_card
from training.checkpoint import Progress
from training.data import DataFile, Example, find_files, read_file
from training.loss import Batch, reader_loss
from training.mix import Rates
from training.plan import Plan, counts, make_plan
from training.windows import Cutter, Group, padded

CHECKPOINT = "checkpoint.pt"
WARM_UP = 0.06  # share of the run
_LOG_SECONDS = 60
log = logging.getLogger("training")
T = TypeVar("T")


def _option(default: T, meaning: str) -> T:
    made: T = field(default=default, metadata={"help": meaning})
    return made


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides the weights besides the data; the command's options of the same names."""

    tokens: int = _option(0, "tokens to plan, padding counted; 0 is one pass")
    seed: int = _option(0, "decides all that is drawn")
    rate: float = _option(8e-5, "peak rate of AdamW")
    window: int = _option(288, "tokens of a window")
    stride: int = _option(96, "tokens that a window shares with the next")
    batch_tokens: int = _option(4_608, "tokens of a batch, padding counted")
    group_weight: float = _option(0.5, "weight of the loss that compares the windows of a question")
    near_misses: float = _option(0.7, "share of answerable questions from which a near miss is attempted")
    negatives: float = _option(0.4, "share with hard negatives")
    max_negatives: int = _option(2, "most hard negatives of such a question, of which one or more are drawn")
    distractors: float = _option(0.0, "share of texts that get a sentence of a hard negative before or after them")
    headers: float = _option(0.3, "share of texts with lines above them: title, author, publisher, date")
    meta: float = _option(0.04, "questions about those lines, for each answerable question")
    weight_decay: float = _option(0.01, "of AdamW")
    precision: str = "bf16"
    threads: int = _option(2, "of torch")
    minutes_limit: float = _option(0.0, "end by then; 0 is no limit")


@dataclass(frozen=True, slots=True)
class Job:
    """A run: from which data and model, to which folder, saving itself how often."""

    train: tuple[Path, ...]
    init: Path
    out: Path
    licences: dict[str, str]
    checkpoint_minutes: float
    settings: Settings


def learning_rate(settings: Settings, share: float) -> float:
    """Return the rate when `share` (0..1) of the run is done: it rises linearly for 6 %, then falls linearly to 0."""
    return settings.rate * max(0.0, min(share / WARM_UP, (1 - share) / (1 - WARM_UP)))


def share_done(settings: Settings, plan: Plan, progress: Progress) -> float:
    """Return the share of the run that is done: by tokens, or by time where a limit of minutes is nearer."""
    by_time = progress.seconds / 60 / settings.minutes_limit if settings.minutes_limit else 0.0
    return max(progress.tokens / plan.tokens, by_time)


def train(job: Job) -> Path:
    """Carry out or take up a run; return the model's folder.

    Sets torch's number of threads and its choice of algorithms: the last bits of a sum depend on both.
    Raises UsageError if data, checkpoint or folder will not do; ModelError for an unusable `init`.
    """
    start = check_files(str(job.init), job.init)
    if (job.out / "model.safetensors").exists():
        raise UsageError(f"{job.out}: holds a model already; name another folder")
    job.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(job.settings.threads)
    torch.use_deterministic_algorithms(True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job.init, local_files_only=True, trust_remote_code=False)
    examples, files = _read(job)
    plan = _plan(job, examples, tokenizer)
    model = _model(job.init, job.settings)
    progress = _run(job, plan, model, start.sha256)
    _save_model(model, tokenizer, job.out)
    digest = sha256_of(job.out / "model.safetensors")
    shown = {one.name: str(getattr(job.settings, one.name)) for one in fields(Settings)}
    read = counts(plan.batches[: progress.batch]) | {"tokens, padding counted": progress.tokens}
    write_card(Made(job.init.name, start.sha256, files, shown, read, digest), job.out)
    (job.out / CHECKPOINT).unlink()
    return job.out


def _plan(job: Job, examples: list[Example], tokenizer: transformers.PreTrainedTokenizerFast) -> Plan:
    settings = job.settings
    rates = Rates(
        near_misses=settings.near_misses,
        negatives=settings.negatives,
        max_negatives=settings.max_negatives,
        distractors=settings.distractors,
        headers=settings.headers,
        meta=settings.meta,
    )
    cutter = Cutter(tokenizer.backend_tokenizer, settings.window, settings.stride)
    plan = make_plan(examples, rates, cutter, settings.tokens, settings.seed, settings.batch_tokens)
    if not plan.batches:
        raise UsageError(
            f"{', '.join(map(str, job.train))}: no question could be used; see docs/reader.md for the forms"
        )
    log.info("%s questions; plan: %s batches, %s tokens", f"{len(examples):,}", len(plan.batches), f"{plan.tokens:,}")
    return plan


def _read(job: Job) -> tuple[list[Example], list[DataFile]]:
    examples: list[Example] = []
    files: list[DataFile] = []
    for path in find_files(job.train):
        found, file = read_file(path, job.licences)
        examples += found
        files.append(file)
    return examples, files


def _model(folder: Path, settings: Settings) -> torch.nn.Module:
    torch.manual_seed(settings.seed)  # an encoder without a span head gets a random one
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation=attention.register() if settings.precision == "bf16" else None,  # None: the fastest it has
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    module: torch.nn.Module = model.eval()  # no dropout: small model, little data to memorise, and runs repeat
    return module


def _run(job: Job, plan: Plan, model: torch.nn.Module, init: str) -> Progress:
    settings, path = job.settings, job.out / CHECKPOINT
    recipe = hashlib.sha256(f"{settings}{init}{plan.sha256}".encode()).hexdigest()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=settings.weight_decay, fused=True)
    progress = checkpoint.load(path, recipe, model, optimizer) if path.exists() else Progress(recipe)
    if progress.batch:
        log.info("taken up after batch %s of %s", progress.batch, len(plan.batches))
    earlier, began = progress.seconds, time.monotonic()
    saved = began
    with _Shown() as shown:
        while (share := share_done(settings, plan, progress)) < 1 and progress.batch < len(plan.batches):
            batch = plan.batches[progress.batch]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, share)
            loss = _step(model, batch, optimizer, settings)
            now = time.monotonic()
            progress.batch, progress.tokens = progress.batch + 1, progress.tokens + padded(batch)
            progress.seconds = earlier + now - began
            shown.step(progress, share_done(settings, plan, progress), loss)
            if now - saved >= job.checkpoint_minutes * 60:
                checkpoint.save(path, progress, model, optimizer)
                saved = now
    checkpoint.save(path, progress, model, optimizer)
    log.info("done: %s tokens in %.1f minutes", f"{progress.tokens:,}", progress.seconds / 60)
    return progress


class _Shown:
    """How far the run is: a bar on a terminal, elsewhere a line a minute."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar = Bar(console=Console(stderr=True), disable=not self._terminal)
        self._task = self._bar.add_task("training", total=1.0)
        self._loss: float | None = None
        self._logged = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, progress: Progress, share: float, loss: float) -> None:
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        speed = progress.tokens / progress.seconds
        self._bar.update(self._task, completed=share, description=f"loss {self._loss:.3f}, {speed:,.0f} tokens/s")
        if not self._terminal and time.monotonic() - self._logged >= _LOG_SECONDS:
            self._logged = time.monotonic()
            line = "batch %s, %.1f %%, loss %.3f, %.0f tokens/s"
            log.info(line, progress.batch, share * 100, self._loss, speed)


def _step(model: torch.nn.Module, groups: list[Group], optimizer: torch.optim.Optimizer, settings: Settings) -> float:
    batch = Batch.of(groups, getattr(model.config, "pad_token_id", None) or 0)
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = batch.types
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.precision == "bf16"):
        output = model(**inputs)
    loss = reader_loss(output.start_logits.float(), output.end_logits.float(), batch, settings.group_weight)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _save_model(
    model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast, out: Path
) -> None:
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(out)
    model.half().save_pretrained(out, safe_serialization=True)


def _job(arguments: list[str]) -> Job:
    parser = argparse.ArgumentParser(prog="python -m training.reader", description=__doc__)
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="files or folders: SQuAD JSON, or JSONL")
    parser.add_argument("--init", type=Path, required=True, help="the model folder to start from")
    parser.add_argument("--out", type=Path, required=True, help="the folder to make; a run's checkpoint is kept there")
    parser.add_argument("--licences", type=Path, help='JSON: {"file name without ending": "source; licence"}')
    often = "how often the run saves itself, in --out (default: %(default)s)"
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0, help=often)
    auto = "auto is bf16 where the processor multiplies it, else fp32 (default: %(default)s)"
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto", help=auto)
    for one in fields(Settings):
        if meaning := one.metadata.get("help"):
            option = f"--{one.name.replace('_', '-')}"
            shown = f"{meaning} (default: %(default)s)"
            parser.add_argument(option, type=type(one.default), default=one.default, help=shown)
    given = parser.parse_args(arguments)
    if given.precision == "auto":
        given.precision = "bf16" if has_bf16() else "fp32"
    licences = json.loads(given.licences.read_text("utf-8")) if given.licences else {}
    settings = Settings(**{one.name: getattr(given, one.name) for one in fields(Settings)})
    return Job(tuple(given.train), given.init, given.out, licences, given.checkpoint_minutes, settings)


def main() -> None:
    """Run the command; a reason for refusing goes to stderr, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    job = _job(sys.argv[1:])
    try:
        log.info("made: %s", train(job))
    except PinciteError as error:
        log.error("%s", error)
        sys.exit(2)


if __name__ == "__main__":
    main()
