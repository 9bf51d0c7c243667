"""One small family of errors. Each text says what is wrong, where, and what to do next, in one line."""


class PinciteError(Exception):
    """The one base: everything that Pincite refuses for a reason the user can act on."""


class UsageError(PinciteError):
    """The call itself cannot be carried out: a missing path, a bad setting, nothing to index."""


class ModelError(PinciteError):
    """A model is missing, refused or not what its name promises."""


class StoreError(PinciteError):
    """A store is absent, damaged, locked, full or was made with other settings."""


class Unreachable(StoreError):
    """A part of the service that runs elsewhere does not answer. The text names no places: clients may read it."""


class Rejected(PinciteError):
    """One file cannot be indexed; the run goes on and lists it with this reason."""
