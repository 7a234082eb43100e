"""What can be set, what each setting may be, and what contradicts what."""

from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from processor.config import checks
from processor.config import kafka as properties
from processor.formats.names import AVRO_ALONE

ENV_PREFIX: Final = "PROCESSOR_"
_MIB: Final = 1024 * 1024


def env_name(field: str) -> str:
    """Return a setting's name in the environment, the one that messages use."""
    return ENV_PREFIX + field.upper()


_LOWER: Final = BeforeValidator(checks.lower)
_Topic = Annotated[str, AfterValidator(checks.topic)]
_Duration = Annotated[str | None, AfterValidator(checks.duration)]
_Kafka = Annotated[
    dict[str, properties.Property],
    NoDecode,
    BeforeValidator(properties.parsed),
    AfterValidator(properties.allowed),
]


class Settings(BaseSettings):
    """Every setting, with the rules it obeys; see `load` for where values come from.

    What stands below a setting completes "PROCESSOR_X is …"; a message proposes the example, else
    the default.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    bootstrap_servers: Annotated[str, AfterValidator(checks.servers)] = Field(
        default="127.0.0.1:9092", examples=["broker-1:9092,broker-2:9092"]
    )
    """the Kafka brokers to ask first, as HOST:PORT, several with commas"""
    redis_url: Annotated[str, AfterValidator(checks.redis_url)] = Field(
        default="redis://127.0.0.1:6379/0", examples=["redis://redis:6379/0"], repr=False
    )
    """where Redis is"""
    group_id: str = Field(default="session-processor", min_length=1)
    """the consumer group, shared by all processes of one service"""
    redis_prefix: Annotated[str, AfterValidator(checks.redis_prefix)] = Field(
        default_factory=lambda given: given["group_id"], examples=["session-processor"]
    )
    """the beginning of every Redis key (the group id by default)"""
    updates_topic: _Topic = "session-updates"
    """the input topic"""
    sessions_topic: _Topic = "customer-sessions"
    """the output topic"""
    dead_letters_topic: _Topic = Field(
        default_factory=lambda given: f"{given['updates_topic']}.dead-letters",
        examples=["session-updates.dead-letters"],
    )
    """the topic of rejected updates (the input's name with .dead-letters)"""
    claims_topic: _Topic = Field(
        default_factory=lambda given: f"{given['sessions_topic']}.profile-claims",
        examples=["customer-sessions.profile-claims"],
    )
    """the topic of profile claims (the output's name with .profile-claims)"""
    schemas_dir: Path | None = Field(default=None, examples=["/etc/session-processor/schemas"])
    """a directory with further writer schemas (*.avsc)"""
    input_formats: Annotated[str, BeforeValidator(checks.input_formats)] = Field(
        default=AVRO_ALONE, examples=["avro,json,cloudevents"]
    )
    """the formats that updates may come in: avro, and json, cloudevents where they are named too"""
    codec: Annotated[Literal["auto", "compiled", "fastavro"], _LOWER] = "auto"
    """which codec reads and writes the present schemas, and JSON: auto takes the compiled one where
    it is installed"""
    schema_registry_url: Annotated[str | None, AfterValidator(checks.registry)] = Field(
        default=None, examples=["http://registry:8080/apis/ccompat/v7"], repr=False
    )
    """where a schema registry is that speaks the Confluent API, its nodes with commas between (none
    by default: values are in single-object encoding)"""
    schema_registry_user: str | None = Field(
        default=None, min_length=1, examples=["session-processor"]
    )
    """the user that the schema registry knows (basic authentication)"""
    schema_registry_password: SecretStr | None = Field(default=None, examples=["…"])
    """that user's password"""
    schema_registry_ca_file: Path | None = Field(
        default=None, examples=["/etc/session-processor/ca.pem"]
    )
    """a file with the certificates that the schema registry's is checked by (PEM)"""
    schema_id_location: Annotated[Literal["value", "headers"], _LOWER] = "value"
    """where the output's schema ids stand: before each value, or in a header"""
    http_host: Annotated[str, AfterValidator(checks.host)] = "127.0.0.1"
    """the address that serves /metrics, /livez, /readyz and /status"""
    http_port: int = Field(default=9464, ge=0, le=65535)
    """the port of /metrics, /livez, /readyz and /status (0 takes any free one)"""
    http_advertise: Annotated[str | None, AfterValidator(checks.advertised)] = Field(
        default=None, examples=["http://10.0.0.7:9464"]
    )
    """the URL of that port for others, announced in Redis for the console; `none` announces none
    (made of address and port by default)"""
    max_snapshot_bytes: int = Field(default=900_000, ge=1024, le=100_000_000)
    """the most bytes that one snapshot may have; an update past it is rejected"""
    kafka: _Kafka = Field(
        default_factory=dict, examples=['{"security.protocol": "SASL_SSL"}'], repr=False
    )
    """a JSON object of librdkafka properties for every Kafka client"""
    kafka_sasl_password: SecretStr | None = Field(default=None, examples=["…"])
    """the SASL password for Kafka (sasl.password)"""
    max_batch: int = Field(default=4000, ge=1, le=100_000)
    """the most records that one transaction takes"""
    min_commit_interval: float = Field(
        default=0.0, ge=0, le=60, allow_inf_nan=False, examples=["0.05"]
    )
    """the least seconds between two commits; more spares the broker, adds latency"""
    max_dead_letter_ratio: float | None = Field(
        default=None, ge=0, le=1, allow_inf_nan=False, examples=["0.2"]
    )
    """the most dead letters a record of a partition, over the window, before that partition halts
    (off by default)"""
    dead_letter_window: float = Field(
        default=300.0, ge=1, le=86_400, allow_inf_nan=False, examples=["300"]
    )
    """the seconds over which PROCESSOR_MAX_DEAD_LETTER_RATIO counts"""
    dead_letter_minimum: int = Field(default=1000, ge=0)
    """the records that the window must exceed for PROCESSOR_MAX_DEAD_LETTER_RATIO to count"""
    max_consecutive_dead_letters: int | None = Field(default=None, ge=1, examples=["500"])
    """the most dead letters of a partition one after another before that partition halts (off by
    default)"""
    retain_closed: _Duration = Field(default=None, examples=["90d"])
    """for how long after its last snapshot a closed session is kept, as 90d; then it is ended (for
    ever by default)"""
    retain_cancelled: _Duration = Field(default=None, examples=["90d"])
    """for how long a cancelled session is kept likewise (for ever by default)"""
    retain_open: _Duration = Field(default=None, examples=["365d"])
    """for how long an open session is kept likewise (for ever by default)"""
    cache_bytes: int = Field(default=48 * _MIB, ge=_MIB, examples=["67108864"])
    """the most bytes of sessions that the process itself caches"""
    log_format: Annotated[Literal["auto", "human", "json"], _LOWER] = Field(
        default="auto", examples=["json"]
    )
    """how logs are written: auto is human on a terminal and JSON otherwise"""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _LOWER] = "info"
    """the least severe level that is logged"""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments alone: `load` gathers the sources, so that it can name each."""
        return (init_settings,)

    @model_validator(mode="after")
    def _agree(self) -> "Settings":
        topics: dict[str, str] = {}
        for field in ("updates_topic", "sessions_topic", "dead_letters_topic", "claims_topic"):
            name = getattr(self, field)
            if name in topics:
                raise _contradiction(f"both are the topic {name}", topics[name], field)
            topics[name] = field
        if self.schemas_dir is not None and not self.schemas_dir.is_dir():
            raise _contradiction(f"there is no directory {self.schemas_dir}", "schemas_dir")
        if self.cache_bytes < self.max_snapshot_bytes:
            raise _contradiction(
                "the cache could not hold one snapshot", "cache_bytes", "max_snapshot_bytes"
            )
        if self.kafka_sasl_password is not None and "sasl.password" in self.kafka:
            raise _contradiction("both give the SASL password", "kafka", "kafka_sasl_password")
        self._agree_on_registry()
        return self

    def _agree_on_registry(self) -> None:
        dependent = ("schema_registry_user", "schema_registry_password", "schema_registry_ca_file")
        if self.schema_registry_url is None:
            given = [field for field in dependent if getattr(self, field) is not None]
            given += ["schema_id_location"] if self.schema_id_location != "value" else []
            if given:
                raise _contradiction("it is of no use without a schema registry", *given)
        if (self.schema_registry_user is None) != (self.schema_registry_password is None):
            raise _contradiction(
                "the schema registry takes both or neither",
                "schema_registry_user",
                "schema_registry_password",
            )
        ca_file = self.schema_registry_ca_file
        if ca_file is not None and not ca_file.is_file():
            raise _contradiction(f"there is no file {ca_file}", "schema_registry_ca_file")

    def kafka_properties(self) -> dict[str, str]:
        """Return what every Kafka client is made with, the password in clear: never log it."""
        password = self.kafka_sasl_password
        secret = {} if password is None else {"sasl.password": password.get_secret_value()}
        return {
            "bootstrap.servers": self.bootstrap_servers,
            **properties.texts(self.kafka),
            **secret,
        }


def about(field: str) -> str:
    """Return what a setting is, in one line."""
    return " ".join((Settings.model_fields[field].description or "").split())


def holds_secret(field: str) -> bool:
    """Whether a setting is a secret and nothing else."""
    annotation = Settings.model_fields[field].annotation
    return SecretStr in (annotation, *get_args(annotation))


def is_secret(field: str) -> bool:
    """Whether a setting's value may hold a secret, so that no message may repeat it."""
    return holds_secret(field) or not Settings.model_fields[field].repr


def _contradiction(wrong: str, *fields: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", "{wrong}", {"wrong": wrong, "fields": fields})
