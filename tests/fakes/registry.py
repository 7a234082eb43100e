"""A registry in memory, and one behind HTTP that answers what a test tells it to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from uuid import UUID

from processor.ports.registry import (
    AVRO,
    Registered,
    RegistryUnavailable,
    SchemaId,
    SchemaText,
)


class FakeRegistry:
    """Answers from what a test put there; `away` is what happened to it, `asked` what it heard."""

    def __init__(self) -> None:
        self.texts: dict[SchemaId, str] = {}
        self.kinds: dict[SchemaId, str] = {}
        """Of those that are not Avro."""
        self.subjects: dict[str, list[Registered]] = {}
        self.away: Exception | None = None
        self.asked: list[SchemaId] = []

    def schema(self, schema_id: SchemaId) -> SchemaText | None:
        self.asked.append(schema_id)
        self._require()
        text = self.texts.get(schema_id)
        return None if text is None else SchemaText(text, self.kinds.get(schema_id, AVRO))

    def versions(self, subject: str) -> list[Registered]:
        self._require()
        return list(self.subjects.get(subject, ()))

    def level(self, _subject: str) -> str:
        self._require()
        return "NONE"

    def takes(self, _subject: str, _text: str, _kind: str = AVRO) -> bool:
        self._require()
        return True

    def register(self, subject: str, text: str, kind: str = AVRO) -> int:
        self._require()
        versions = self.subjects.setdefault(subject, [])
        number = len(self.texts) + 1
        self.texts[number], self.kinds[number] = text, kind
        versions.append(Registered(number, len(versions) + 1, text, kind))
        return number

    def gone(self) -> None:
        self.away = RegistryUnavailable("nobody is there")

    def _require(self) -> None:
        if self.away is not None:
            raise self.away


class HttpRegistry:
    """Speaks as much of the Confluent API as the processor asks, on a free port."""

    def __init__(self, fake: FakeRegistry) -> None:
        self.fake = fake
        self.forced: tuple[int, str] | None = None
        """Answered to everything, whatever is asked."""
        self.hangs = Event()
        """While it is set, nothing is answered."""
        self.authorizations: list[str] = []
        registry = self

        class Talk(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.serve(self, None)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                registry.serve(self, json.loads(self.rfile.read(length)))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Talk)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator["HttpRegistry"]:
        thread = Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.hangs.clear()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def serve(self, talk: BaseHTTPRequestHandler, body: dict[str, str] | None) -> None:
        self.authorizations.append(talk.headers.get("Authorization", ""))
        while self.hangs.is_set():
            Event().wait(0.01)
        path = talk.path.partition("?")[0]
        status, text = self.forced or self._answer(path, body)
        told = text.encode()
        talk.send_response(status)
        talk.send_header("Content-Length", str(len(told)))
        talk.end_headers()
        talk.wfile.write(told)

    def _answer(self, path: str, body: dict[str, str] | None) -> tuple[int, str]:  # noqa: PLR0911
        match path.strip("/").split("/"):
            case ["schemas", "types"]:
                return 200, '["AVRO"]'
            case ["schemas", "ids", number]:
                return self._schema(self.fake.texts.get(int(number)), int(number))
            case ["schemas", "guids", guid]:
                return self._schema(self.fake.texts.get(UUID(guid)), UUID(guid))
            case ["subjects", subject, "versions"] if body is not None:
                return 200, json.dumps({"id": self.fake.register(subject, *_told(body))})
            case ["subjects", subject, "versions"] if subject in self.fake.subjects:
                found = self.fake.subjects[subject]
                return 200, json.dumps([each.version for each in found])
            case ["subjects", subject, "versions", number] if subject in self.fake.subjects:
                each = self.fake.subjects[subject][int(number) - 1]
                fields = {"subject": subject, "version": each.version, "id": each.schema_id}
                return 200, json.dumps({**fields, **_written(each.text, each.kind)})
            case ["config", *_]:
                return 200, '{"compatibilityLevel": "NONE"}'
            case ["compatibility", *_]:
                return 200, '{"is_compatible": true}'
        return 404, '{"error_code": 40401, "message": "no such subject"}'

    def _schema(self, text: str | None, schema_id: SchemaId) -> tuple[int, str]:
        if text is None:
            return 404, '{"error_code": 40403, "message": "no such schema"}'
        return 200, json.dumps(_written(text, self.fake.kinds.get(schema_id, AVRO)))


def _told(body: dict[str, str]) -> tuple[str, str]:
    return body["schema"], body.get("schemaType", AVRO)


def _written(text: str, kind: str) -> dict[str, str]:
    """Return a schema as a registry writes it: Avro's kind is left out."""
    return {"schema": text} if kind == AVRO else {"schema": text, "schemaType": kind}
