"""A registry in memory, and one behind HTTP that answers what a test tells it to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from uuid import UUID

from processor.errors import ConfigError
from processor.ports.registry import (
    AVRO,
    Level,
    Reference,
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
        self.references: dict[SchemaId, tuple[Reference, ...]] = {}
        """Of those that refer to others."""
        self.levels: dict[str, str] = {}
        self.subjects: dict[str, list[Registered]] = {}
        self.away: Exception | None = None
        self.asked: list[SchemaId] = []

    def schema(self, schema_id: SchemaId) -> SchemaText | None:
        self.asked.append(schema_id)
        self._require()
        text = self.texts.get(schema_id)
        if text is None:
            return None
        kind = self.kinds.get(schema_id, AVRO)
        return SchemaText(text, kind, self.references.get(schema_id, ()))

    def versions(self, subject: str) -> list[Registered]:
        self._require()
        return list(self.subjects.get(subject, ()))

    def version(self, subject: str, number: int) -> SchemaText | None:
        found = [each for each in self.versions(subject) if each.version == number]
        return SchemaText(*found[0][2:]) if found else None

    def level(self, subject: str) -> str:
        self._require()
        return self.levels.get(subject, "NONE")

    def hold_to(self, subject: str, level: Level) -> None:
        if not self.versions(subject):
            raise ConfigError(f"no subject {subject}")
        self.levels[subject] = level

    def takes(self, _subject: str, _text: str, _kind: str = AVRO) -> bool:
        self._require()
        return True

    def register(
        self, subject: str, text: str, kind: str = AVRO, references: Sequence[Reference] = ()
    ) -> int:
        self._require()
        versions = self.subjects.setdefault(subject, [])
        number = len(self.texts) + 1
        self.texts[number], self.kinds[number] = text, kind
        self.references[number] = tuple(references)
        versions.append(Registered(number, len(versions) + 1, text, kind, tuple(references)))
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

            do_PUT = do_POST  # noqa: N815  the library's

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

    def serve(self, talk: BaseHTTPRequestHandler, body: dict[str, Any] | None) -> None:
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

    def _answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, str]:  # noqa: C901, PLR0911  a table
        match path.strip("/").split("/"):
            case ["schemas", "types"]:
                return 200, '["AVRO"]'
            case ["schemas", "ids", number]:
                return self._schema(int(number))
            case ["schemas", "guids", guid]:
                return self._schema(UUID(guid))
            case ["subjects", subject, "versions"] if body is not None:
                return 200, json.dumps({"id": self.fake.register(subject, *_told(body))})
            case ["subjects", subject, "versions"] if subject in self.fake.subjects:
                found = self.fake.subjects[subject]
                return 200, json.dumps([each.version for each in found])
            case ["subjects", subject, "versions", number]:
                found_there = self.fake.version(subject, int(number))
                if found_there is None:
                    return 404, '{"error_code": 40402, "message": "no such version"}'
                each = self.fake.subjects[subject][int(number) - 1]
                fields = {"subject": subject, "version": each.version, "id": each.schema_id}
                return 200, json.dumps({**fields, **_written(found_there)})
            case ["config", subject] if body is not None:
                self.fake.levels[subject] = body["compatibility"]
                return 200, json.dumps(body)
            case ["config", *subject]:
                level = self.fake.levels.get("".join(subject), "NONE")
                return 200, json.dumps({"compatibilityLevel": level})
            case ["compatibility", *_]:
                return 200, '{"is_compatible": true}'
        return 404, '{"error_code": 40401, "message": "no such subject"}'

    def _schema(self, schema_id: SchemaId) -> tuple[int, str]:
        found = self.fake.schema(schema_id)
        if found is None:
            return 404, '{"error_code": 40403, "message": "no such schema"}'
        return 200, json.dumps(_written(found))


def _told(body: Mapping[str, Any]) -> tuple[str, str, list[Reference]]:
    references = [Reference(**each) for each in body.get("references", ())]
    return body["schema"], body.get("schemaType", AVRO), references


def _written(found: SchemaText) -> dict[str, Any]:
    """Return a schema as a registry writes it: Avro's kind is left out, as are no references."""
    kind = {} if found.kind == AVRO else {"schemaType": found.kind}
    references = {"references": [each._asdict() for each in found.references]}
    return {"schema": found.text, **kind, **(references if found.references else {})}
