"""The clients that people use: Python's libraries, and the programs of Debian where they are installed."""

from __future__ import annotations

import asyncio
import imaplib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aioimaplib
import imap_tools
import pytest
from imapclient import IMAPClient

from hourpost.accounts.passwords import hash_password
from hourpost.mailboxes.changes import set_password
from hourpost.mailboxes.scram_keys import ScramSecret
from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.letters import LETTERS
from tests.api.imap.running import RunningDoor
from tests.cast import CIPHER
from tests.fixtures.certificates import Certificate


@pytest.fixture
def imapclient(door: RunningDoor, box: Box) -> Iterator[IMAPClient]:
    with IMAPClient("localhost", door.imaps, ssl_context=door.tls, timeout=20) as client:
        client.login(box.address, box.password)
        yield client


def test_imaplib_by_starttls(door: RunningDoor, box: Box) -> None:
    with imaplib.IMAP4("localhost", door.imap, timeout=20) as client:
        client.starttls(door.tls)
        client.login(box.address, box.password)
        assert client.append("INBOX", "\\Seen", datetime(2026, 2, 1, tzinfo=UTC), LETTERS["plain"])[0] == "OK"
        client.enable("UTF8=ACCEPT")
        assert client.select("INBOX") == ("OK", [b"1"])
        found, parts = client.fetch("1", "(FLAGS INTERNALDATE BODY.PEEK[])")
        assert found == "OK"
        assert parts[0][1] == LETTERS["plain"]
        assert b"01-Feb-2026 00:00:00 +0000" in parts[0][0]
        assert client.search(None, "SUBJECT", "words") == ("OK", [b"1"])
        assert client.sort("DATE", "UTF-8", "ALL") == ("OK", [b"1"])
        assert client.thread("REFERENCES", "UTF-8", "ALL") == ("OK", [b"(1)"])
        assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])


def test_imapclient_on_a_desktop_and_a_phone(imapclient: IMAPClient, other_door: RunningDoor, box: Box) -> None:
    """Each is served by another process; what one does the other sees, while it idles."""
    imapclient.append("INBOX", LETTERS["plain"], ["\\Seen", "Work"])
    imapclient.append("INBOX", LETTERS["answer"])
    imapclient.select_folder("INBOX")
    with IMAPClient("localhost", other_door.imaps, ssl_context=other_door.tls, timeout=20) as phone:
        phone.login(box.address, box.password)
        phone.select_folder("INBOX")
        phone.idle()
        imapclient.add_flags([2], ["\\Flagged"])
        assert any(b"\\Flagged" in answer[2][1] for answer in phone.idle_check(20) if answer[1] == b"FETCH")
        imapclient.move([1], "Archive")
        assert (1, b"EXPUNGE") in phone.idle_check(20)
        phone.idle_done()
        phone.select_folder("Archive")
        fetched = phone.fetch([1], ["ENVELOPE", "FLAGS", "BODYSTRUCTURE"])
        assert fetched[1][b"ENVELOPE"].subject == b"Plain words"
        assert set(fetched[1][b"FLAGS"]) >= {b"\\Seen", b"Work"}


def test_imapclient_walks_folders(imapclient: IMAPClient) -> None:
    imapclient.create_folder("Entwürfe/2026")
    names = {name: flags for flags, _, name in imapclient.list_folders()}
    assert names["Sent"] == (b"\\HasNoChildren", b"\\Sent")
    assert {"Entwürfe", "Entwürfe/2026", "INBOX"} <= set(names)
    assert imapclient.folder_status("INBOX", ["MESSAGES", "UIDNEXT"])[b"MESSAGES"] == 0
    assert imapclient.get_quota_root("INBOX")[1][0].resource == "STORAGE"
    assert imapclient.find_special_folder(b"\\Trash") == "Trash"
    imapclient.delete_folder("Entwürfe/2026")
    assert not imapclient.folder_exists("Entwürfe/2026")


async def test_aioimaplib(door: RunningDoor, box: Box) -> None:
    client = aioimaplib.IMAP4_SSL("localhost", door.imaps, timeout=20, ssl_context=door.tls)
    await client.wait_hello_from_server()
    assert (await client.login(box.address, box.password)).result == "OK"
    assert (await client.append(LETTERS["plain"], "INBOX")).result == "OK"
    assert (await client.select("INBOX")).result == "OK"
    fetched = await client.uid("fetch", "1:*", "(FLAGS BODY.PEEK[])")
    assert LETTERS["plain"] in fetched.lines
    idle = await client.idle_start(timeout=20)
    await asyncio.to_thread(_append, door, box)
    heard = [line for line in await client.wait_server_push(20) if line.endswith(b"EXISTS")]
    assert heard == [b"2 EXISTS"]
    client.idle_done()
    await asyncio.wait_for(idle, 20)
    await client.logout()


def _append(door: RunningDoor, box: Box) -> None:
    with Client(door) as other:
        other.log_in(box.address, box.password)
        other.append(LETTERS["answer"])


def test_imap_tools(door: RunningDoor, box: Box) -> None:
    with imap_tools.MailBox("localhost", door.imaps, timeout=20, ssl_context=door.tls).login(
        box.address, box.password
    ) as mailbox:
        mailbox.append(LETTERS["mixed"], "INBOX", dt=datetime(2026, 2, 1, tzinfo=UTC), flag_set=["Label"])
        found = list(mailbox.fetch(imap_tools.AND(subject="Grüße"), charset="UTF-8", mark_seen=True))
        assert [(one.uid, one.subject, one.text[:5]) for one in found] == [("1", "Grüße", "Grüße")]
        assert found[0].attachments[-1].payload == bytes(range(5))
        assert mailbox.folder.status("INBOX")["UNSEEN"] == 0
        mailbox.move("1", "Trash")
        assert mailbox.numbers() == []


# programs


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(argv: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr + done.stdout
    return done


def test_curl(door: RunningDoor, box: Box, tls: Certificate, client: Client) -> None:
    client.append(LETTERS["plain"])
    base = [program("curl"), "-sS", "--cacert", str(tls.cert), "-u", f"{box.address}:{box.password}"]
    url = f"imaps://localhost:{door.imaps}/INBOX"
    assert run([*base, f"{url};UID=1"]).stdout == LETTERS["plain"].decode().replace("\r\n", "\n")
    assert "SEARCH 1" in run([*base, f"{url}?ALL"]).stdout
    assert "Trash" in run([*base, f"imaps://localhost:{door.imaps}/"]).stdout


_MBSYNC = """
IMAPAccount far
Host localhost
Port {port}
User {user}
Pass "{password}"
AuthMechs {mechanism}
{tls}
CertificateFile "{certificate}"

IMAPStore far
Account far

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
{far} :far:
{near} :near:
Patterns *
Create Both
Expunge Both
Remove Both
SyncState *
"""


def _mbsync(folder: Path, door: RunningDoor, box: Box, certificate: Certificate, mechanism: str = "PLAIN") -> None:
    folder.mkdir(exist_ok=True)
    version = subprocess.run([program("mbsync"), "--version"], capture_output=True, text=True, check=False).stdout
    is_old = version.split()[-1].startswith("1.4")
    text = _MBSYNC.format(
        port=door.imaps,
        user=box.address,
        password=box.password,
        certificate=certificate.cert,
        folder=folder,
        tls="SSLType IMAPS" if is_old else "TLSType IMAPS",
        mechanism=mechanism,
        far="Far",
        near="Near",
    )
    (folder / "rc").write_text(text)
    run([program("mbsync"), "-c", str(folder / "rc"), "-a"], env={"HOME": str(folder), "PATH": "/usr/bin:/bin"})


def _contents(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Flags and bytes of every message of every folder of a Maildir."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for path in sorted([*folder.glob("*/cur/*"), *folder.glob("*/new/*")]):
        flags = path.name.partition(":2,")[2]
        lines = [line for line in path.read_bytes().split(b"\n") if not line.startswith(b"X-TUID:")]
        found.setdefault(path.parts[-3], []).append((flags, b"\n".join(lines)))
    return {name: sorted(messages) for name, messages in found.items()}


async def _set_password(door: RunningDoor, box: Box) -> None:
    hashed, scram = await hash_password(box.password), ScramSecret(box.password, CIPHER)
    async with door.database.transaction() as connection:
        await set_password(connection, box.account_id, box.id, hashed, scram)


@pytest.mark.skipif(not any(Path("/usr/lib").glob("*/sasl2/libscram.so*")), reason="SASL has no SCRAM here")
def test_mbsync_logs_in_by_scram(door: RunningDoor, box: Box, tls: Certificate, tmp_path: Path) -> None:
    door.call(_set_password(door, box))
    with Client(door) as client:
        client.log_in(box.address, box.password)
        client.append(LETTERS["plain"])
    _mbsync(tmp_path / "desk", door, box, tls, "SCRAM-SHA-256")
    assert len(_contents(tmp_path / "desk")["INBOX"]) == 1


def test_mbsync_of_two_copies_converges(
    door: RunningDoor, other_door: RunningDoor, box: Box, tls: Certificate, client: Client, tmp_path: Path
) -> None:
    for name in ("plain", "answer", "mixed"):
        client.append(LETTERS[name])
    desk, phone = tmp_path / "desk", tmp_path / "phone"
    _mbsync(desk, door, box, tls)
    _mbsync(phone, other_door, box, tls)
    assert len(_contents(desk)["INBOX"]) == 3
    assert _contents(desk) == _contents(phone)
    # One reads a message, the other deletes another and writes one
    first, second, _ = sorted(path for path in desk.glob("INBOX/*/*") if path.parent.name in ("cur", "new"))
    first.rename(desk / "INBOX" / "cur" / (first.name.partition(":2,")[0] + ":2,S"))
    uid = second.name.partition(",U=")[2].partition(":")[0]
    next(phone.glob(f"INBOX/*/*,U={uid}*")).unlink()
    (phone / "Sent" / "new").mkdir(parents=True, exist_ok=True)
    (phone / "Sent" / "new" / "1.local").write_bytes(LETTERS["plain"].replace(b"\r\n", b"\n"))
    for folder, where in ((desk, door), (phone, other_door), (desk, door), (phone, other_door)):
        _mbsync(folder, where, box, tls)
    assert _contents(desk) == _contents(phone)
    assert len(_contents(desk)["INBOX"]) == 2
    assert len(_contents(desk)["Sent"]) == 1
    assert any(flags == "S" for flags, _ in _contents(desk)["INBOX"])


def test_fetchmail_in_idle(door: RunningDoor, box: Box, tls: Certificate, client: Client, tmp_path: Path) -> None:
    """It fetches what there is, waits in IDLE, and fetches what comes then."""
    mailbox = tmp_path / "fetched"
    rc = tmp_path / "rc"
    rc.write_text(
        f'poll localhost service {door.imaps} protocol IMAP timeout 30 user "{box.address}" password "{box.password}" '
        f'ssl sslcertfile "{tls.cert}" sslcertck idle keep fetchall '
        f"mda \"/bin/sh -c 'cat >> {mailbox}'\"\n"
    )
    rc.chmod(0o600)
    client.append(LETTERS["plain"])
    environment = {"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [program("fetchmail"), "-f", str(rc), "--nodetach", "--nosyslog"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for(lambda: mailbox.exists() and b"Good morning." in mailbox.read_bytes())
        client.append(LETTERS["answer"])
        _wait_for(lambda: b"Good evening." in mailbox.read_bytes())
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(is_true: object, seconds: float = 40.0) -> None:
    done = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if is_true():  # type: ignore[operator]
            return
        done.wait(0.1)
    raise AssertionError("it did not come")


def test_a_context_without_our_certificate_is_refused_by_the_client(door: RunningDoor) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        imaplib.IMAP4_SSL("localhost", door.imaps, ssl_context=ssl.create_default_context(), timeout=20)
