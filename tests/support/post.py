"""A mail server for tests: SMTP on a port of its own, and what came in."""

import re
import socketserver
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final, final

DEADLINE_S: Final = 30.0


@final
class PostOffice:
    """Takes every mail; gives the codes that they hold."""

    def __init__(self) -> None:
        self._mails: list[EmailMessage] = []
        self._came = threading.Condition()
        office = self

        class Desk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                office._serve(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Desk)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="post office", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def mails(self, to: str) -> list[EmailMessage]:
        """What came for an address, the oldest first."""
        with self._came:
            return [mail for mail in self._mails if mail["To"] == to]

    def wait(self, to: str, count: int, subject: str = "") -> EmailMessage:
        """Wait until an address has so many mails (with these words in the subject); give the last of them."""
        deadline = time.monotonic() + DEADLINE_S
        with self._came:
            while len(found := [m for m in self._mails if m["To"] == to and subject in m["Subject"]]) < count:
                assert self._came.wait(deadline - time.monotonic()), [(m["To"], m["Subject"]) for m in self._mails]
        return found[count - 1]

    def count(self, to: str) -> int:
        return len(self.mails(to))

    def _serve(self, desk: socketserver.StreamRequestHandler) -> None:
        def say(words: str) -> None:
            desk.wfile.write(f"{words}\r\n".encode())

        say("220 post")
        while line := desk.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                say("354 go on")
                lines = []
                while (part := desk.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(part.removeprefix(b".") if part.startswith(b"..") else part)
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                with self._came:
                    self._mails.append(mail)
                    self._came.notify_all()
            elif verb == b"QUIT":
                say("221 bye")
                return
            say("250 fine")


def code_in(mail: EmailMessage) -> str:
    """The code that a mail holds."""
    found = re.search(r"^Code: (\d{6}|[a-z2-7]{4}(?:-[a-z2-7]{4}){3})\r?$", str(mail.get_content()), re.MULTILINE)
    assert found is not None, "there is no code in it"
    return found[1]
