"""A line is always one line, whatever the client sent; a file that fails costs lines, no more."""

import json
import os
import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.observe import access_log
from daarion_gw.observe.access_log import (
    AccessLog,
    Entry,
    escape_bare,
    escape_quoted,
    format_combined,
    format_json,
    without_userinfo,
)


def an_entry(**changed) -> Entry:
    known = {
        "when": 1_700_000_000.25,
        "client": "203.0.113.7",
        "method": b"GET",
        "target": b"/api/items?id=1",
        "version": b"HTTP/1.1",
        "status": 200,
        "bytes_sent": 40,
        "bytes_received": 0,
        "duration": 0.0034,
        "request_id": b"4f9c0d12-00000001",
        "route": "/api/",
        "upstream": "microdao-api",
        "server": "127.0.0.1:8000",
        "host": b"app.example.com",
        "referer": b"https://app.example.com/",
        "user_agent": b"curl/8.4.0",
        "fault": "",
    }
    return Entry(**(known | changed))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
anything = st.builds(
    Entry,
    when=st.floats(0, 4e9),
    client=texts,
    method=st.binary(max_size=20),
    target=st.binary(max_size=60),
    version=st.binary(max_size=10),
    status=st.integers(0, 599),
    bytes_sent=st.integers(0, 2**63),
    bytes_received=st.integers(0, 2**63),
    duration=st.floats(0, 1e6),
    request_id=st.binary(max_size=40),
    route=texts,
    upstream=texts,
    server=texts,
    host=st.binary(max_size=30),
    referer=st.binary(max_size=60),
    user_agent=st.binary(max_size=60),
    fault=texts,
)

LINE = re.compile(
    rb"[!-~]+ - - "
    rb"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
    rb'"(?P<request>[ !#-~]*)" (?P<status>\d{3}) \d+ "[ !#-~]+" "[ !#-~]+" '
    rb"request_id=[!-~]+ route=[!-~]+ upstream=[!-~]+ server=[!-~]+ "
    rb"seconds=\d+\.\d{3} received=\d+ fault=[!-~]+\n"
)


def unescape(written: bytes) -> bytes:
    return re.sub(rb"\\x([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), written)


def test_a_combined_line_is_what_nginx_writes_and_our_own_fields(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Kyiv")
    access_log.time.tzset()
    access_log._combined_time.cache_clear()
    try:
        line = format_combined(an_entry())
    finally:
        monkeypatch.undo()
        access_log.time.tzset()
        access_log._combined_time.cache_clear()
    assert line == (
        b'203.0.113.7 - - [15/Nov/2023:00:13:20 +0200] "GET /api/items?id=1 HTTP/1.1" 200 40 '
        b'"https://app.example.com/" "curl/8.4.0" request_id=4f9c0d12-00000001 route=/api/ '
        b"upstream=microdao-api server=127.0.0.1:8000 seconds=0.003 received=0 fault=-\n"
    )


def test_a_json_line_is_one_object():
    line = format_json(an_entry(fault="UPSTREAM_REFUSED", status=502))
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "client": "203.0.113.7",
        "method": "GET",
        "target": "/api/items?id=1",
        "version": "HTTP/1.1",
        "host": "app.example.com",
        "status": 502,
        "bytes_sent": 40,
        "bytes_received": 0,
        "seconds": 0.0034,
        "request_id": "4f9c0d12-00000001",
        "route": "/api/",
        "upstream": "microdao-api",
        "server": "127.0.0.1:8000",
        "referer": "https://app.example.com/",
        "user_agent": "curl/8.4.0",
        "fault": "UPSTREAM_REFUSED",
    }


def test_what_is_missing_is_a_dash():
    line = format_combined(an_entry(method=b"", target=b"", referer=b"", user_agent=b"", route=""))
    assert b'"-" 200 40 "-" "-" ' in line
    assert b" route=- " in line


def test_a_client_cannot_forge_a_line_or_paint_the_terminal():
    forged = b'x" 200 0 "\r\n1.2.3.4 - - \x1b[31m\x9b\x7f\\'
    line = format_combined(an_entry(user_agent=forged, target=b"/\xd0\xb0\t"))
    assert line.count(b"\n") == 1
    assert rb"x\x22 200 0 \x22\x0D\x0A1.2.3.4 - - \x1B[31m\x9B\x7F\x5C" in line
    assert rb"GET /\xD0\xB0\x09 HTTP/1.1" in line


@given(anything)
def test_every_combined_line_is_one_printable_line_of_the_format(entry):
    line = format_combined(entry)
    assert LINE.fullmatch(line)


@given(anything)
def test_every_json_line_is_one_ascii_object_with_every_field(entry):
    line = format_json(entry)
    assert line.endswith(b"}\n")
    assert re.fullmatch(rb"[ -~]+\n", line)
    read = json.loads(line)
    assert len(read) == len(fields(Entry))
    assert read["client"] == entry.client
    assert read["status"] == entry.status
    assert read["bytes_sent"] == entry.bytes_sent


@given(texts)
def test_text_that_is_utf8_comes_back_from_json_as_it_was(agent):
    assert json.loads(format_json(an_entry(user_agent=agent.encode())))["user_agent"] == agent


@given(st.binary())
def test_escaping_loses_nothing(raw):
    assert unescape(escape_quoted(raw)) == raw
    assert not raw or unescape(escape_bare(raw)) == raw


@pytest.mark.parametrize(
    ("url", "logged"),
    [
        (b"http://user:secret@host/p?q=a@b", b"http://host/p?q=a@b"),
        (b"user:secret@host:443", b"host:443"),
        (b"https://a@b@host/", b"https://host/"),
        (b"/path/of/someone@example.com?m=x@y", b"/path/of/someone@example.com?m=x@y"),
        (b"//cdn@host/", b"//cdn@host/"),
        (b"https://host/?mail=a@b", b"https://host/?mail=a@b"),
        (b"", b""),
    ],
)
def test_a_password_inside_a_url_is_cut_off(url, logged):
    assert without_userinfo(url) == logged
    for line in (format_combined(an_entry(target=url)), format_json(an_entry(referer=url))):
        assert b"secret" not in line
    assert b"secret" not in format_json(an_entry(host=url, target=url))
    assert b"secret" not in format_combined(an_entry(referer=url))


def test_lines_reach_the_file_at_the_flush(tmp_path):
    path = tmp_path / "access.log"
    log = AccessLog("combined", str(path))
    log.write(an_entry())
    log.write(an_entry(status=404))
    assert path.read_bytes() == b""
    log.flush()
    assert [line.split(b'" ')[1][:3] for line in path.read_bytes().splitlines()] == [b"200", b"404"]
    assert path.stat().st_mode & 0o007 == 0
    log.close()


def test_a_busy_log_does_not_wait_for_the_second(tmp_path):
    path = tmp_path / "access.log"
    log = AccessLog("json", str(path))
    for _ in range(400):
        log.write(an_entry())
    assert 64 * 1024 <= path.stat().st_size < 400 * 400
    log.close()
    assert len(path.read_bytes().splitlines()) == 400
    assert log.lost == 0


def test_off_writes_nothing_and_opens_nothing(tmp_path):
    log = AccessLog("off", str(tmp_path / "access.log"))
    assert not log.enabled
    log.write(an_entry())
    log.flush()
    log.reopen()
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_after_a_rotation_lines_go_to_the_new_file(tmp_path):
    path = tmp_path / "access.log"
    log = AccessLog("combined", str(path))
    log.write(an_entry(status=200))
    path.rename(tmp_path / "access.log.1")
    log.reopen()
    log.write(an_entry(status=404))
    log.close()
    assert b'" 200 ' in (tmp_path / "access.log.1").read_bytes()
    assert b'" 404 ' in path.read_bytes()


def test_a_rotation_that_fails_keeps_the_old_file_and_says_so(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    said = []
    log = AccessLog("combined", str(folder / "access.log"), said.append)
    folder.rename(tmp_path / "old")
    log.reopen()
    log.write(an_entry())
    log.close()
    assert (tmp_path / "old" / "access.log").read_bytes().count(b"\n") == 1
    assert len(said) == 1
    assert str(folder / "access.log") in said[0]


def test_a_file_that_cannot_be_opened_says_which_and_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        AccessLog("combined", str(tmp_path / "nowhere" / "access.log"))
    assert raised.value.filename == str(tmp_path / "nowhere" / "access.log")
    assert "create" in str(raised.value)


def test_a_full_disk_is_reported_once_and_loses_only_what_does_not_fit(monkeypatch):
    monkeypatch.setattr(access_log, "KEEP_AT_MOST", 2000)
    said = []
    log = AccessLog("combined", "/dev/full", said.append)
    for _ in range(20):
        log.write(an_entry())
        log.flush()
    assert log.lost > 0
    assert len(said) == 1
    assert "/dev/full" in said[0]
    assert "No space left" in said[0]
    log.close()
    assert log.lost == 20
    assert said[1:] == ["access log: /dev/full lacks 20 lines, which were lost"]


def test_a_reader_who_does_not_read_never_blocks_and_gets_whole_lines_later(tmp_path, monkeypatch):
    monkeypatch.setattr(access_log, "KEEP_AT_MOST", 100_000)
    fifo = tmp_path / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    said = []
    log = AccessLog("combined", str(fifo), said.append)
    for _ in range(1000):
        log.write(an_entry())
    log.flush()
    assert log.lost > 0
    assert len(said) == 1
    got = bytearray()
    while log._lines:
        got += os.read(reader, 1 << 20)
        log.flush()
    got += os.read(reader, 1 << 20)
    assert len(said) == 2
    log.close()
    os.close(reader)
    assert f"lacks {log.lost} lines" in said[2]
    assert len(got.splitlines()) + log.lost == 1000
    assert all(LINE.fullmatch(line + b"\n") for line in bytes(got).splitlines())


def test_half_a_line_never_opens_the_file_of_a_rotation(tmp_path):
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog("combined", str(path), lambda sentence: None)
    for _ in range(100):
        # Longer than what a pipe takes in one piece, so that it takes half of one.
        log.write(an_entry(user_agent=b"x" * 9000))
    log.flush()
    kept = sum(piece.count(b"\n") for piece in log._lines)
    path.rename(tmp_path / "log.1")
    log.reopen()
    log.close()
    os.close(reader)
    lines = path.read_bytes().splitlines()
    assert all(LINE.fullmatch(line + b"\n") for line in lines)
    assert kept - 1 == len(lines)
    assert log.lost == 1


def test_what_a_pipe_takes_in_one_piece_ends_with_a_line(tmp_path):
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog("combined", str(fifo))
    for _ in range(1000):
        log.write(an_entry())
    log.flush()
    assert os.read(reader, 1 << 20).endswith(b"\n")
    os.close(reader)


def test_without_a_file_the_lines_go_to_standard_output(capfd):
    log = AccessLog("combined", None)
    log.write(an_entry())
    log.close()
    assert LINE.fullmatch(capfd.readouterr().out.encode())
    os.fstat(1)
