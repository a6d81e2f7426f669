"""What a URL of a webhook may be, and which ones lead to this machine for sure."""

import pytest

from infra.webhook import parse_webhook


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "https://LOCALHOST:8443/hook",
        "http://127.0.0.1",
        "http://127.255.0.9:80/x",
        "http://[::1]:9000/",
        "http://user:pass@127.0.0.1/",
    ],
)
def test_literal_loopback_hosts_are_here(url: str) -> None:
    assert parse_webhook(url).is_here


@pytest.mark.parametrize(
    "url",
    [
        "http://0.0.0.0/",
        "http://0/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[fe80::1]/",
        "http://localhost.example.com/",
        "http://localhost.localdomain/",
        "http://127.0.0.1.nip.io/",
        "http://127.0.0.1@example.com/",
        "http://localhost:80@example.com/",
        "http://localhost\\@example.com/",
        "http://example.com#@localhost/",
        "http://example.com?@localhost/",
    ],
)
def test_whatever_else_is_not(url: str) -> None:
    assert not parse_webhook(url).is_here


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://secret.example/", "must begin with https"),
        ("file:///secret", "must begin with https"),
        ("secret.example/hook", "must begin with https"),
        ("//secret.example/hook", "must begin with https"),
        ("https:///secret", "no host"),
        ("https://", "no host"),
        ("https:secret", "no host"),
        ("https://secret..example/", "no host"),
        (f"https://{'secret' * 11}.example/", "no host"),
        ("https://%6cocalhost/secret", "no host"),
        ("https://secret.example\\x/", "no host"),
        ("https://[::1%25secret]/", "no host"),
        ("https://[::1%secret]/", "no host"),
        ("https://[secret/", "host or port"),
        ("https://secret.example:http/", "host or port"),
        ("https://secret.example:99999/", "host or port"),
        ("https://secret.example/a b", "blanks"),
        ("https://secret.example/\r\nX-Injected: 1", "blanks"),
        ("https://secret.example/\n", "blanks"),
        ("https://sécret.example/", "characters"),
        ("https://ⓛocalhost/secret", "characters"),
        ("", "blanks"),
    ],
)
def test_other_urls_are_refused_without_being_repeated(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        parse_webhook(url)
    assert "ecret" not in str(error.value)


def test_its_parts() -> None:
    webhook = parse_webhook("HTTPS://me:p%40ss@Hooks.example.com/T1/B2?key=1#top")
    assert (webhook.secure, webhook.host, webhook.port) == (True, "hooks.example.com", 443)
    assert webhook.target == "/T1/B2?key=1"
    assert webhook.authorization == "Basic bWU6cEBzcw=="
    assert parse_webhook("http://[::1]").target == "/"
    assert parse_webhook("http://localhost:8080").port == 8080
