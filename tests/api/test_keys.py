"""Keys: what is kept of them, when they hold, and the commands that make and end them."""

import json
import re
import socket
import sqlite3
import stat
import time

import pytest
from command_line import failed
from fakes import new_store
from hypothesis import given
from hypothesis import strategies as st

from api.keys import DAY, digest_of, key_id_in, new_key
from api.service_store import FILE, ServiceStore
from index.errors import StoreError, UsageError


def test_a_key_opens_with_its_own_text_and_with_no_other():
    key, text = new_key("laptop", ["ask"], None, 1000)
    assert key_id_in(text) == key.key_id
    assert key.opens_with(text)
    for other in ("", text[:-1], text + "0", text.upper(), new_key("laptop", ["ask"], None, 1000)[1]):
        assert not key.opens_with(other)


def test_what_is_kept_of_a_key_is_a_digest_that_does_not_hold_its_secret():
    key, text = new_key("", ["ask"], None, 0)
    assert key.digest == digest_of(text)
    assert len(key.digest) == 256 // 8
    assert text.split("_")[2] not in repr(key)


def test_a_key_holds_until_it_expires_or_is_revoked():
    key, _ = new_key("", ["ask"], 2, 1000)
    assert key.usable(1000 + 2 * DAY - 1)
    assert not key.usable(1000 + 2 * DAY)
    assert new_key("", ["ask"], None, 1000)[0].usable(1e12)


@given(st.text(max_size=90))
def test_what_does_not_have_the_form_of_a_key_names_none(text):
    assert key_id_in(text) is None


@pytest.mark.parametrize(
    ("name", "scopes", "words"),
    [
        ("", ["fly"], "no scope 'fly'"),
        ("", [], "opens nothing"),
        ("two\nlines", ["ask"], "one line"),
        ("\x1b[31mred", ["ask"], "one line"),
        ("x" * 101, ["ask"], "at most 100"),
    ],
)
def test_a_key_of_no_scope_or_with_no_proper_name_is_not_made(name, scopes, words):
    with pytest.raises(UsageError, match=words):
        new_key(name, scopes, None, 0)


def test_keys_are_there_after_the_file_is_closed_and_opened_again(tmp_path):
    key, text = new_key("laptop", ["write", "ask"], 1, 1000)
    with ServiceStore(tmp_path) as service:
        service.add_key(key)
    with ServiceStore(tmp_path) as service:
        assert service.all_keys() == [key]
        assert service.key(key.key_id) == key
        assert service.key("0" * 12) is None
    assert text.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_only_its_owner_can_read_the_file(tmp_path):
    with ServiceStore(tmp_path) as service:
        service.add_key(new_key("", ["ask"], None, 0)[0])
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob(f"{FILE}*")}
    assert modes == {0o600}


def test_a_revoked_key_is_revoked_for_whoever_has_the_file_open(tmp_path):
    key, _ = new_key("", ["ask"], None, 1000)
    with ServiceStore(tmp_path) as service, ServiceStore(tmp_path) as other:
        service.add_key(key)
        assert other.key(key.key_id).usable(1001)
        assert service.revoke_key(key.key_id, 1002)
        assert service.revoke_key(key.key_id, 9999)  # again: it stays as it is
        assert other.key(key.key_id).revoked == 1002
        assert not other.key(key.key_id).usable(1003)
        assert not service.revoke_key("0" * 12, 1002)


def test_a_session_ends_when_it_is_ended_when_its_time_is_over_and_with_its_key(tmp_path):
    key, _ = new_key("", ["ask"], None, 1000)
    with ServiceStore(tmp_path) as service:
        service.add_key(key)
        for digest in (b"a" * 32, b"b" * 32):
            service.add_session(digest, key.key_id, expires=2000, now=1000)
        assert service.session_key(b"a" * 32, 1999) == key
        assert service.session_key(b"a" * 32, 2000) is None
        assert service.session_key(b"c" * 32, 1000) is None
        service.end_session(b"a" * 32)
        assert service.session_key(b"a" * 32, 1000) is None
        service.revoke_key(key.key_id, 1500)
        assert service.session_key(b"b" * 32, 1501) is None


def test_a_damaged_or_newer_file_is_refused_with_what_to_do(tmp_path):
    (tmp_path / FILE).write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError, match=r"service.sqlite: .*make new keys"):
        ServiceStore(tmp_path)
    (tmp_path / FILE).unlink()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="format 99"):
        ServiceStore(tmp_path)


@pytest.fixture
def keys(pincite, tmp_path):
    """`pincite keys` over an empty store."""
    new_store(tmp_path / ".pincite").close()
    return lambda *args: pincite("keys", *args)


def test_a_new_key_is_shown_once_and_never_again(keys, tmp_path):
    code, out, err = keys("create", "--name", "laptop", "--scope", "ask", "--scope", "write", "--days", "90")
    assert (code, bool(re.fullmatch(r"pk_[0-9a-f]{12}_[0-9a-f]{64}\n", out))) == (0, True)
    assert out.strip() not in err
    assert "from its next start" in err
    listed = keys("list")[1] + keys("list", "--json")[1]
    assert "laptop" in listed
    assert out.strip() not in listed
    with ServiceStore(tmp_path / ".pincite") as service:
        (key,) = service.all_keys()
    assert key.opens_with(out.strip())
    assert (key.scopes, key.expires - key.created) == ({"ask", "write"}, 90 * DAY)


def test_a_key_may_ask_unless_more_is_said(keys):
    made = json.loads(keys("create", "--json")[1])
    assert list(made) == ["key", "key_id", "name", "scopes", "created", "expires", "revoked"]
    assert (made["scopes"], made["expires"], made["revoked"]) == (["ask"], None, None)
    assert json.loads(keys("list", "--json")[1])["keys"] == [{name: made[name] for name in list(made)[1:]}]


def test_a_revoked_key_stays_in_the_list_as_revoked(keys):
    made = json.loads(keys("create", "--json")[1])
    assert keys("revoke", made["key_id"])[0] == 0
    assert "revoked" in keys("list")[1]
    assert json.loads(keys("list", "--json")[1])["keys"][0]["revoked"]


def test_no_keys_are_listed_as_none(keys):
    assert keys("list", "--json")[1] == '{\n  "keys": []\n}\n'
    assert keys("list")[1] == ""


def test_mistakes_are_one_line_with_what_to_do(keys, pincite, tmp_path):
    assert failed(keys("create", "--scope", "fly"), 2, "'fly'", "ask, write, admin")
    assert failed(keys("create", "--name", "a\nb"), 2, "one line")
    assert failed(keys("create", "--days", "0"), 2, "pincite --help")
    assert failed(keys("revoke", "0123456789ab"), 2, "'0123456789ab'", "pincite keys list")
    assert failed(pincite("keys", "create", "--store", tmp_path / "nowhere"), 4, "no store at")
    assert not (tmp_path / "nowhere").exists()


def test_a_public_address_is_served_with_a_usable_key_and_not_without(keys, pincite, tmp_path):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        serve = ("serve", "--host", "0.0.0.0", "--port", taken.getsockname()[1])
        assert failed(pincite(*serve), 2, "there is no usable key", "pincite keys create", "--insecure")
        key_id = json.loads(keys("create", "--json")[1])["key_id"]
        assert failed(pincite(*serve), 2, "in use")  # so far it comes: the key was enough
        keys("revoke", key_id)
        assert failed(pincite(*serve), 2, "there is no usable key")
        with ServiceStore(tmp_path / ".pincite") as service:
            service.add_key(new_key("", ["ask"], 1, time.time() - 2 * DAY)[0])
        assert failed(pincite(*serve), 2, "there is no usable key")
        assert failed(pincite(*serve, "--insecure"), 2, "in use")
