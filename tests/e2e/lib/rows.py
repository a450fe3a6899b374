# SPDX-License-Identifier: MIT
"""The table of set-ups that both programs run. A row whose `differs` is set names the
faults of the original that it runs into; every other row has to come out the same."""

from dataclasses import dataclass

from .setup import Setup

# Sorted by domain, as the original's manual wants it for use_envelope.
SORTED = (
    b"".join(b"a%d@alpha.example.org\n" % n for n in range(1, 6))
    + b"".join(b"b%d@beta.example.net\n" % n for n in range(1, 4))
    + b"".join(b"c%d@gamma.example.com\n" % n for n in range(1, 5))
)

DOMAINS = (b"alpha.example.org", b"beta.example.net", b"beta.example.net", b"gamma.example.com")
UNSORTED = b"".join(b"u%d@%s\n" % (n, DOMAINS[n * n % 4 - n % 3]) for n in range(1, 14))

ENVELOPE = {"use_envelope": "1", "To": "readers@lists.example.org"}

# The original's faults that a limit brings out. The contract's last table lists the first only.
OPEN_ENVELOPE = "open envelope"  # lost at max_messages and max_messages_per_connection, and in GOOD
GIVES_UP = "gives up"  # MB012 although a server is left: the turn came back to a first server that is used up


@dataclass
class Row:
    setup: Setup
    differs: frozenset = frozenset()


def row(name, list=SORTED, differs=(), **options):
    return Row(Setup(name, list, **options), frozenset(differs))


def plain_rows():
    for servers in (1, 2, 3, 4):
        robin = {} if servers == 1 else {"max_messages_per_robin": 2}
        for use, campaign in (("0", {}), ("1", ENVELOPE)):
            name = f"plain-{servers}-servers-envelope-{use}"
            yield row(name, servers=[dict(robin) for _ in range(servers)], campaign=campaign)
    yield row("robin-0-stays", servers=[{"max_messages_per_robin": 0}, {"max_messages_per_robin": 0}])
    yield row("robin-of-each", servers=[{"max_messages_per_robin": n} for n in (1, 3, 2)], list=UNSORTED)
    yield row("robin-1-of-4", servers=[{"max_messages_per_robin": 1} for _ in range(4)], campaign=ENVELOPE)
    yield row("robin-as-default", servers=[{}, {}], defaults={"max_messages_per_robin": 3}, campaign=ENVELOPE)


LIMITS = {
    "envelope_limit": {"envelope_limit": 2},
    "max_messages": {"max_messages": 7},
    "max_messages_per_robin": {"max_messages_per_robin": 3},
    "max_messages_per_connection": {"max_messages_per_connection": 4},
    "max_messages_while_awake": {"max_messages_while_awake": 5, "sleep_length": 0},
}


def limit_rows():
    """Each limit alone, with and without an envelope, on one server and on the first of two."""
    for name, limit in LIMITS.items():
        loses = [OPEN_ENVELOPE] if name in ("max_messages", "max_messages_per_connection") else []
        yield row(f"{name}-alone-envelope-0", servers=[limit])
        yield row(f"{name}-alone-envelope-1", servers=[limit], campaign=ENVELOPE, differs=loses)
        second = {"max_messages_per_robin": 0}
        yield row(
            f"{name}-first-of-2-envelope-0",
            servers=[{"max_messages_per_robin": 0, **limit}, second],
            list=UNSORTED,
        )
    sleepy = [{"max_messages_while_awake": 6, "sleep_length": 1}]
    yield row("sleeps-a-second", servers=sleepy)
    yield row("sleeps-a-second-envelope", servers=sleepy, campaign=ENVELOPE)


def pair_rows():
    """Every pair of limits on every number of servers from 1 to 3 by turns."""
    names = list(LIMITS)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for number, (a, b) in enumerate(pairs):
        servers = number % 3 + 1
        limits = {**LIMITS[a], **LIMITS[b]}
        if servers > 1:
            limits.setdefault("max_messages_per_robin", 0)
        for use, campaign in (("0", {}), ("1", ENVELOPE)):
            name = f"{a}+{b}-{servers}-servers-envelope-{use}"
            yield row(
                name,
                list=SORTED if number % 2 else UNSORTED,
                servers=[dict(limits) for _ in range(servers)],
                campaign=campaign,
                differs=PAIR_DIFFERS.get(name, ()),
            )


# A row of PAIR_DIFFERS that loses nothing, or another that does, fails.
PAIR_DIFFERS = {
    name: (OPEN_ENVELOPE,)
    for name in (
        "envelope_limit+max_messages-1-servers-envelope-1",
        "envelope_limit+max_messages_per_connection-3-servers-envelope-1",
        "max_messages+max_messages_per_connection-3-servers-envelope-1",
        "max_messages+max_messages_while_awake-1-servers-envelope-1",
        "max_messages_per_robin+max_messages_per_connection-2-servers-envelope-1",
        "max_messages_per_connection+max_messages_while_awake-1-servers-envelope-1",
    )
}


def used_up_rows():
    """The turn comes back to a first server that may not be used again."""
    first = {"max_messages": 3, "max_messages_per_robin": 2}
    for others in (1, 2):
        servers = [first] + [{"max_messages_per_robin": 2} for _ in range(others)]
        name = f"first-used-up-of-{others + 1}"
        yield row(name, servers=servers, differs=[GIVES_UP])
    yield row(
        "second-used-up",
        servers=[{"max_messages_per_robin": 2}, {"max_messages": 3, "max_messages_per_robin": 2}],
    )


def joined(*lines):
    return "".join(line + "\n" for line in lines).encode("utf-8")


def list_rows():
    duplicates = joined(
        "a@x.example.org", "b@x.example.org", "A@x.example.org", "a@X.EXAMPLE.ORG", "b@x.example.org", "c@y.example.net"
    )
    yield row("duplicates", list=duplicates)
    yield row("duplicates-envelope", list=duplicates, campaign=ENVELOPE)
    yield row("duplicates-trusted", list=duplicates, campaign={"Trusting": ["duplicates"]})
    yield row("duplicates-by-case", list=duplicates, campaign={"Trusting": ["banned"]})
    banned = b"bad@x.example.org\nspam.example.net\n"
    mixed = joined(
        *("ok@x.example.org", "bad@x.example.org", "BAD@x.example.org", "bad@X.example.org"),
        *("u@spam.example.net", "u@Spam.Example.NET", "u@sub.spam.example.net"),
    )
    yield row("banned", list=mixed, banned=banned)
    yield row("banned-by-case", list=mixed, banned=banned, campaign={"Trusting": ["banned"]})
    yield row(
        "banned-envelope-2-servers",
        list=mixed + SORTED,
        banned=banned + b"a2@alpha.example.org\nbeta.example.net\n",
        campaign=ENVELOPE,
        servers=[{"max_messages_per_robin": 2}, {"max_messages_per_robin": 2}],
    )
    yield row(
        "invalid-lines",
        list=joined(
            *("", "  ", "nobody", "a@", "@x.example.org", "a@x", "a b@x.example.org", "a@x..example.org"),
            *("<a@x.example.org", "good@x.example.org"),
        ),
    )
    yield row(
        "display-names",
        list=joined(
            *('"Jim T"<jim@x.example.org>', "Jim T <tim@x.example.org>", '"a, b" <ab@x.example.org>'),
            '"quoted local"@x.example.org',
        ),
    )
    named = joined('"Jim T"<jim@x.example.org>', "Tim <tim@x.example.org>")
    yield row("display-names-envelope", list=named, campaign=ENVELOPE)
    yield row("comments", list=joined("(of Jim)jim@x.example.org", "tim(Tim)@x.example.org", "ann@x.example.org(Ann)"))
    yield row("white-space", list=b"  a@x.example.org\t\n\tb@x.example.org \n\n\nc@x.example.org")
    yield row("crlf-list", list=b"a@x.example.org\r\nb@x.example.org\r\n\r\nc@y.example.net\r\n", campaign=ENVELOPE)
    yield row("unsorted-envelope", list=UNSORTED, campaign=ENVELOPE)
    by_case = joined("a@x.example.org", "b@X.Example.Org", "c@x.example.org")
    yield row("domain-case-envelope", list=by_case, campaign=ENVELOPE)
    yield row("one-recipient", list=b"only@x.example.org\n", campaign=ENVELOPE)
    yield row("empty-list", list=b"")
    yield row(
        "long-list-3-servers",
        list=b"".join(b"n%03d@d%d.example.org\n" % (n, n // 9) for n in range(150)),
        campaign=ENVELOPE,
        servers=[{"max_messages_per_robin": 10, "envelope_limit": limit} for limit in (3, 4, 0)],
    )


LONG = (
    b"This line is a good deal longer than seventy-eight characters, "
    b"and so it has to be folded somewhere near the end of it.\n"
    b"\n"
    b"%s\n"
    b".a line that begins with a dot\n"
    b"..two dots\n"
    b".\n"
    b"A short line.\n"
) % (b"w" * 200)


def text_rows():
    force80 = {"force80": "1"}
    two = b"a@x.example.org\nb@y.example.net\n"
    texts = {
        "long-lines": LONG,
        "no-final-newline": b"Short.\nThe last line has no end",
        "no-final-newline-long": LONG + b"the last line is long as well, " * 3 + b"and it has no line end",
        "one-line": b"only one line",
        "crlf": LONG.replace(b"\n", b"\r\n"),
        "lone-cr": b"one\rtwo\r.three\rfour\r",
        "mixed-ends": b"one\r\ntwo\n\rthree\r\r\nfour\n",
        "blank-lines-at-end": b"text\n\n\n\n",
        "punctuation-at-fold": b"word, " * 30 + b"\n" + b"(a-b/c) " * 20 + b"\n" + b"x" * 77 + b" y\n",
        "no-word-at-fold": b"-" * 90 + b"\n" + b"-" * 70 + b" word " + b"-" * 90 + b"\n",
        "fold-makes-dot": b"a" * 77 + b" .dot after the fold of this line\n" + b"b" * 78 + b".next\n",
        "exactly-78": b"e" * 78 + b"\n" + b"f" * 79 + b"\n" + b"g" * 78 + b"\n",
        "spaces": b" " * 100 + b"\n" + b"word" + b" " * 100 + b"word\n" + b"\t" * 90 + b"x\n",
    }
    for name, text in texts.items():
        yield row(f"force80-{name}", list=two, body=text, campaign=force80)
    for name in ("long-lines", "no-final-newline", "crlf", "lone-cr", "mixed-ends"):
        yield row(f"not-force80-{name}", list=two, body=texts[name])
    yield row("fold-at-998", list=two, body=b"many words " * 200 + b"\n" + b"z" * 2500 + b"\n")
    trusted = {"force80": "1", "Trusting": ["wrapping"]}
    yield row("wrapping-trusted", list=two, body=LONG, campaign=trusted)
    yield row("only-dots", list=two, body=b".\n.\n..\n.\n")


def header_rows():
    two = b"a@x.example.org\nb@x.example.org\n"
    yield row("html", list=two, body=b"<p>Hello\n<p>World\n", campaign={"HTML": "1"})
    yield row(
        "sender-and-reply-to",
        list=two,
        campaign={"Sender": "bounces@lists.example.org", "ReplyTo": "editor@lists.example.org"},
    )
    yield row(
        "sender-display-names",
        list=two,
        campaign={
            **ENVELOPE,
            "From": '"The News" <news@lists.example.org>',
            "Sender": '"Bounces"<bounces@lists.example.org>',
            "ReplyTo": "Editor <editor@lists.example.org>",
        },
    )
    for value in ("bulk", "junk", "LIST"):
        yield row(f"precedence-{value}", list=two, campaign={"Precedence": value})
    yield row(
        "precedence-trusted",
        list=two,
        campaign={"Trusting": ["precedence"], "Precedence": "first-class"},
    )
    yield row("to-group", list=two, campaign={"use_envelope": "1", "To": "Our readers:;"})
    yield row("no-subject", list=two, campaign={"Subject": None})
    yield row("blank-subject", list=two, given={"Subject": " "})
    for name, subject in (("long", "news and " * 12 + "more"), ("one-word", "N" * 160)):
        yield row(f"{name}-subject", list=two, campaign={"Subject": subject})
        force80 = {"Subject": subject, "force80": "1"}
        yield row(f"{name}-subject-force80", list=two, campaign=force80)
    message = b"X-Issue: 42\n\nThe body.\n"
    from_message = {"headers_from_message": "1"}
    yield row("headers-from-message", list=two, body=message, campaign=from_message)
    yield row(
        "headers-from-message-set-attributes",
        list=two,
        body=b"Subject: From the file\nReply-To: file@lists.example.org\nPrecedence: bulk\n\nThe body.\n",
        campaign=from_message,
    )
    yield row(
        "headers-from-message-continued",
        list=two,
        body=b"X-Issue: 42\n of many\n\nThe body.\n\nMore of it.\n",
        campaign=from_message,
    )
    yield row(
        "content-type-from-message",
        list=two,
        body=b"Content-type: text/markdown\n\n*hello*\n",
        campaign=from_message,
    )
    yield row(
        "message-in-conf",
        list=two,
        campaign={"Message": "One line of text, straight from the conf file.", "message_from_file": None},
    )
    yield row(
        "given-by-option",
        list=two,
        given={
            "From": "option@lists.example.org",
            "Subject": "By option",
            "Sender": "osender@lists.example.org",
            "ReplyTo": "oreply@lists.example.org",
            "To": "oreaders@lists.example.org",
            "use_envelope": "1",
        },
    )


ROWS = [*plain_rows(), *limit_rows(), *pair_rows(), *used_up_rows(), *list_rows(), *text_rows(), *header_rows()]
