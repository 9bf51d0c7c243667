"""What a corpus takes: costs of a passage and of a question -> machines, memory, hours, questions a second.

Pure arithmetic over `Costs`, which `benchmarks.costs` measures. The model: work adds up, and is shared evenly by all
cores; each question is work for every shard; what one process does one after the other bounds what it can give.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import ceil

from index.shards import MOST

BUSY = 0.7  # of the cores' time is planned with: in a queue (M/M/1) a question takes 1 / (1 - 0.7) = 3.3 times its work
MEMORY_USED = 0.6  # of a machine's memory is ours: Ray takes 30 % for its object store, the rest is the system's
DISK_USED = 0.5  # of a disk: a backup, or a base file that is written anew, lies beside what it copies
ROUNDS = 4  # of calls to shards, one after the other: counts of words, rankings, passages, documents
WHOLE_ROUNDS = 2  # of these go to every shard, the others to those that hold what was found
HOLDING = 10  # shards at most that hold what was found: `ask` reads so many passages
MODEL_CALLS = 2  # of a question: embedder, reader
PER_DOCUMENT = 20  # passages, about as many as a long article has
SIZES = (1_000_000, 10_000_000, 100_000_000)  # passages to plan for


@dataclass(frozen=True, slots=True)
class ShardCosts:
    """What a shard of so many passages costs. Milliseconds are of one core, megabytes are 10**6 bytes."""

    passages: int
    search_ms: float  # a question
    put_ms: float  # a passage, of those written until then, in large writes
    commit_ms: float  # a write, beside its passages
    memory_mb: float  # of its process, beside what a process has anyway
    sqlite_mb: float
    vectors_mb: float
    terms_mb: float

    @property
    def disk_mb(self) -> float:
        """All its files."""
        return self.sqlite_mb + self.vectors_mb + self.terms_mb


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured. `_alone`: the time of one call where nothing else runs; all else is work of one core."""

    cores: int  # that it was measured with
    written_together: int  # files of which the passages are embedded and written together
    start_s: float  # until a run of `index` on a cluster is at work, and from its last work to its end
    prepare_ms: float  # a passage: read, decode, mark, cut
    embed_ms: float  # a passage
    encode_ms: float  # a question's vector
    read_ms: float  # a question's passages, where many questions are read together
    read_alone_ms: float
    answer_ms: float  # from spans to a reply as JSON
    http_ms: float  # a request that asks nothing
    http_alone_ms: float
    call_ms: float  # a call from process to process, both ends
    call_alone_ms: float
    process_mb: float  # a process that has loaded the code and nothing else
    models_mb: float  # the processes of one embedder and one reader
    shards: tuple[ShardCosts, ...]  # by passages, ascending

    def shard_of(self, passages: float) -> ShardCosts:
        """Return what a shard of that size costs, between two that were measured; ValueError above the largest.

        One below the smallest is taken to cost what the smallest does.
        """
        if passages > self.shards[-1].passages:
            raise ValueError(
                f"no shard of {passages:,.0f} passages was measured; measure one, or plan for smaller ones"
            )
        above = next(shard for shard in self.shards if shard.passages >= passages)
        below = next((shard for shard in reversed(self.shards) if shard.passages <= passages), above)
        if above is below:
            return above
        part = (passages - below.passages) / (above.passages - below.passages)
        pairs = list(zip(astuple(below), astuple(above), strict=True))[1:]
        return ShardCosts(round(passages), *(low + part * (high - low) for low, high in pairs))


@dataclass(frozen=True, slots=True)
class Corpus:
    """So many passages of so many documents, in so many shards."""

    passages: int
    documents: int
    shards: int

    @property
    def each(self) -> float:
        """Passages of a shard."""
        return self.passages / self.shards


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the machines of a cluster, all alike; its cores are taken to be as fast as those measured."""

    cores: int
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a corpus takes. `because` is what the number of machines comes from."""

    corpus: Corpus
    machines: int
    because: str
    memory_gb: float
    disk_gb: float
    build_h: float
    per_second: float
    alone_ms: float
    ingresses: int


def calls(shards: int) -> int:
    """Return the calls from process to process that a question makes, at most."""
    return WHOLE_ROUNDS * shards + (ROUNDS - WHOLE_ROUNDS) * min(shards, HOLDING) + MODEL_CALLS


def question_ms(costs: Costs, corpus: Corpus) -> dict[str, float]:
    """Return the work of a question by what does it, in milliseconds of one core."""
    return {
        "HTTP and reply": costs.http_ms + costs.answer_ms,
        "calls": calls(corpus.shards) * costs.call_ms,
        "embedder": costs.encode_ms,
        "search": corpus.shards * costs.shard_of(corpus.each).search_ms,
        "reader": costs.read_ms,
    }


def per_second(costs: Costs, corpus: Corpus, cores: int, busy: float = BUSY) -> float:
    """Return the questions a second of so many cores, at most what a shard's one process can take: one core's work."""
    in_a_shard = costs.shard_of(corpus.each).search_ms + ROUNDS * costs.call_ms
    return 1000 * busy * min(cores / sum(question_ms(costs, corpus).values()), 1 / in_a_shard)


def alone_ms(costs: Costs, corpus: Corpus, cores: int) -> float:
    """Return how long one question takes where nothing else runs.

    The first call of each round takes its time, the others one after the other what they cost the ingress, a process
    that does one thing at a time. Shards search at once, as far as there are cores.
    """
    in_turn = ROUNDS + MODEL_CALLS
    waits = in_turn * costs.call_alone_ms + (calls(corpus.shards) - in_turn) * costs.call_ms
    searching = costs.shard_of(corpus.each).search_ms * max(1.0, corpus.shards / cores)
    return costs.http_alone_ms + costs.answer_ms + costs.encode_ms + costs.read_alone_ms + waits + searching


def build_s(costs: Costs, corpus: Corpus, cores: int, busy: float = BUSY) -> float:
    """Return how long indexing takes: all work on all cores, but no shorter than the busiest shard's one writer.

    Files that are embedded together are written at once to each shard that one of them belongs to.
    """
    shard = costs.shard_of(corpus.each)
    together = costs.written_together
    writes = corpus.documents / together * min(corpus.shards, together)
    writing = corpus.passages * shard.put_ms + writes * shard.commit_ms
    work = corpus.passages * (costs.prepare_ms + costs.embed_ms) + writing
    return costs.start_s + max(work / cores / busy, writing / corpus.shards) / 1000


def shards_mb(costs: Costs, corpus: Corpus) -> float:
    """Return the memory of all shards' processes."""
    return corpus.shards * (costs.process_mb + costs.shard_of(corpus.each).memory_mb)


def plan(costs: Costs, passages: int, machine: Machine, rate: float, per_shard: int) -> Plan:
    """Return what so many passages take to be asked `rate` questions a second, in shards of at most `per_shard`.

    Each machine has its share of the shards, an ingress, an embedder and a reader. ValueError where a machine does not
    hold even one shard beside these, and where a store cannot have so many shards.
    """
    shards = ceil(passages / per_shard)
    if shards > MOST:
        least = ceil(passages / MOST)
        raise ValueError(f"{passages:,} passages: a store has at most {MOST} shards; measure one of {least:,}")
    corpus = Corpus(passages, ceil(passages / PER_DOCUMENT), shards)
    on_each = costs.process_mb + costs.models_mb
    holds = _held_by_one(costs, corpus, machine, on_each)
    wanted = {name: ceil(shards / most) for name, most in holds.items()}
    wanted["questions"] = ceil(rate * sum(question_ms(costs, corpus).values()) / 1000 / BUSY / machine.cores)
    because = max(wanted, key=lambda name: wanted[name])
    machines = wanted[because]
    cores = machines * machine.cores
    reached = per_second(costs, corpus, cores)
    ingress = costs.http_ms + costs.answer_ms + calls(shards) * costs.call_ms
    return Plan(
        corpus,
        machines,
        because if machines > 1 else "one is enough",
        memory_gb=(shards_mb(costs, corpus) + machines * on_each) / 1000,
        disk_gb=shards * costs.shard_of(corpus.each).disk_mb / 1000,
        build_h=build_s(costs, corpus, cores) / 3600,
        per_second=reached,
        alone_ms=alone_ms(costs, corpus, cores),
        ingresses=ceil(reached * ingress / 1000 / BUSY),
    )


def _held_by_one(costs: Costs, corpus: Corpus, machine: Machine, beside_mb: float) -> dict[str, int]:
    """Return how many shards one machine holds in its memory, beside so much else, and on its disk."""
    free_mb = machine.memory_gb * 1000 * MEMORY_USED - beside_mb
    holds = {
        "memory": int(free_mb // (shards_mb(costs, corpus) / corpus.shards)),
        "disk": int(machine.disk_gb * 1000 * DISK_USED // costs.shard_of(corpus.each).disk_mb),
    }
    for name, most in holds.items():
        if most < 1:
            raise ValueError(f"the {name} of one machine does not hold a shard of {corpus.each:,.0f} passages")
    return holds


def plans_table(plans: Sequence[Plan]) -> str:
    """Return the plans as Markdown."""
    lines = [
        "| passages | shards | machines (because of) | memory, GB | disk, GB | build, h | questions/s | one alone, ms |"
        " ingresses |",
        "|---" * 9 + "|",
    ]
    for one in plans:
        machines = f"{one.machines} ({one.because})"
        lines.append(
            f"| {one.corpus.passages:,} | {one.corpus.shards} | {machines} | {one.memory_gb:,.1f} | {one.disk_gb:,.0f}"
            f" | {one.build_h:,.1f} | {one.per_second:,.1f} | {one.alone_ms:,.0f} | {one.ingresses} |"
        )
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure that the model predicts, beside what was measured."""

    shards: int
    name: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """By how much the prediction is above what was measured, as a share of that."""
        return self.predicted / self.measured - 1


def check_table(rows: Sequence[Compared]) -> str:
    """Return the comparisons as Markdown."""
    lines = ["| shards | | predicted | measured | error |", "|---" * 5 + "|"]
    for row in rows:
        figures = f"{row.predicted:,.1f} | {row.measured:,.1f} | {row.error:+.0%}"
        lines.append(f"| {row.shards} | {row.name} | {figures} |")
    return "\n".join(lines)
