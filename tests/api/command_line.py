"""What the tests of the command line share."""


def failed(result, code, *parts):
    """One line on stderr, nothing on stdout, the documented exit code."""
    got, out, err = result
    assert (got, out) == (code, "")
    lines = [line for line in err.splitlines() if line.startswith("pincite: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in lines[0]
    return True
