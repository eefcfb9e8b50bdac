"""Runs a Kafka stand-in inside the process: the mock cluster of the librdkafka that confluent-kafka ships."""

from __future__ import annotations

import ctypes
import os
import threading
from types import TracebackType
from typing import Any, Self

from telemetry.exceptions import ConfigurationError, LifecycleError, Problem, TransportError

__all__ = ["EmbeddedKafka"]

# rd_kafka_type_t and the protocol's number of the Produce request (rdkafka.h, Apache Kafka protocol guide).
_RD_KAFKA_PRODUCER = 0
_API_KEY_PRODUCE = 0
_ERROR_TEXT_BYTES = 512
_MAX_BROKERS = 32
_MAX_PARTITIONS = 1_000
_MAX_FAILURES = 100_000
_MAX_LATENCY_SECONDS = 3_600.0

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "rd_kafka_conf_new": (ctypes.c_void_p, []),
    "rd_kafka_conf_set_log_cb": (None, [ctypes.c_void_p, ctypes.c_void_p]),
    "rd_kafka_conf_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "rd_kafka_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_err2str": (ctypes.c_char_p, [ctypes.c_int]),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_cluster_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_mock_topic_create": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]),
    "rd_kafka_mock_clear_request_errors": (None, [ctypes.c_void_p, ctypes.c_int16]),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
    ),
}


class EmbeddedKafka:
    """Brokers on free ports of 127.0.0.1, in memory, ready in milliseconds; faults can be injected while they run.

    Any client, in this process or another, connects to ``bootstrap_servers`` with ``security_protocol="PLAINTEXT"``.

    It does not replace a real broker where these matter: it has no TLS, no SASL, no ACLs and no transactions; it cannot
    look up offsets by time (it answers that no record is that late, so ``--since`` finds nothing); it does not
    deduplicate the retries of an idempotent producer; it keeps nothing on disk or after ``close()``; it keeps about
    5 MiB of each partition and drops the oldest records silently; it creates an unknown topic for the first client that
    asks for it.

    A call that injects a fault returns when the fault is in effect: mostly at once, sometimes after a second, because
    the thread that serves the brokers checks for such requests only now and then while it is idle.

    The object belongs to the process that started it. After ``fork()`` the child cannot use it, and closing it there
    has no effect on the parent's brokers.

    Source: the functions of ``rdkafka_mock.h`` in librdkafka, which confluent-kafka's wheels export.

    Args:
        brokers: Number of brokers, 1 to 32.
        partitions: Partitions of ``topic``, 1 to 1,000.
        topic: Name of the topic that exists from the start.

    Raises:
        ConfigurationError: A number is out of its range, or the topic has no name.
    """

    def __init__(self, *, brokers: int = 1, partitions: int = 4, topic: str = "audit-events") -> None:
        _require_range("brokers", brokers, 1, _MAX_BROKERS)
        _require_topic(topic, partitions)
        self._broker_ids = range(1, brokers + 1)
        self._partitions = partitions
        self._topic = topic
        # Tests inject faults from several threads. Reentrant: start() creates its topic and closes after a failure.
        self._lock = threading.RLock()
        self._library: ctypes.CDLL | None = None
        self._handle: int | None = None
        self._cluster: int | None = None
        self._pid = 0
        self._bootstrap_servers = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedKafka(brokers={len(self._broker_ids)}, bootstrap_servers={self._bootstrap_servers!r})"

    @property
    def bootstrap_servers(self) -> str:
        """Addresses of all brokers, ``127.0.0.1:port,...``; they do not change while it is running.

        Raises:
            LifecycleError: It is not running.
        """
        self._running()
        return self._bootstrap_servers

    def start(self) -> None:
        """Start the brokers and create the topic.

        Raises:
            LifecycleError: It is already running.
            TransportError: librdkafka could not start it, or this librdkafka exports no mock cluster.
        """
        with self._lock:
            if self._cluster is not None and self._pid == os.getpid():
                message = "the embedded Kafka is already running: close() it first"
                raise LifecycleError(message)
            self._library = _load_library()
            self._pid = os.getpid()
            self._handle = _new_silent_client(self._library)
            self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, len(self._broker_ids))
            # No port was free, or there is no memory: librdkafka gives no reason here.
            if not self._cluster:
                self.close()
                message = "the embedded Kafka could not be started: no free port on 127.0.0.1 or no memory"
                raise TransportError(message)
            addresses: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
            self._bootstrap_servers = addresses.decode()
            self.create_topic(self._topic, partitions=self._partitions)

    def close(self) -> None:
        """Stop the brokers and drop every record. Calling it again has no effect."""
        with self._lock:
            library, handle, cluster = self._library, self._handle, self._cluster
            self._library = self._handle = self._cluster = None
            self._bootstrap_servers = ""
            # In a forked child the handles belong to threads of the parent, which the child does not have.
            if library is None or self._pid != os.getpid():
                return
            if cluster:
                library.rd_kafka_mock_cluster_destroy(cluster)
            if handle:
                library.rd_kafka_destroy(handle)

    def create_topic(self, name: str, *, partitions: int = 4) -> None:
        """Create a topic, replicated on every broker.

        Args:
            name: The topic.
            partitions: Number of partitions, 1 to 1,000.

        Raises:
            ConfigurationError: The name is empty or the number is out of its range.
            LifecycleError: It is not running.
            TransportError: The topic exists already.
        """
        _require_topic(name, partitions)
        with self._lock:
            library, cluster = self._running()
            code = library.rd_kafka_mock_topic_create(cluster, name.encode(), partitions, len(self._broker_ids))
            self._check(code, f"topic {name!r} could not be created")

    def stop_brokers(self) -> None:
        """Cut every connection and refuse new ones, on all brokers. Records are kept.

        Raises:
            LifecycleError: It is not running.
        """
        self._on_every_broker("rd_kafka_mock_broker_set_down")

    def start_brokers(self) -> None:
        """Accept connections again, at the same addresses and with the same records.

        Raises:
            LifecycleError: It is not running.
        """
        self._on_every_broker("rd_kafka_mock_broker_set_up")

    def set_latency(self, seconds: float) -> None:
        """Delay every response.

        Args:
            seconds: Delay in seconds, 0 to 3,600, in steps of a millisecond; 0 ends the delay.

        Raises:
            ConfigurationError: The delay is out of its range.
            LifecycleError: It is not running.
        """
        _require_range("seconds", seconds, 0, _MAX_LATENCY_SECONDS)
        self._on_every_broker("rd_kafka_mock_broker_set_rtt", round(seconds * 1_000))

    def fail_produce(self, error_code: int, count: int = 1) -> None:
        """Answer the next produce requests with an error instead of accepting their records.

        Args:
            error_code: The protocol's error code, for example 7 (request timed out), 10 (message too large),
                19 (not enough replicas) or 29 (topic authorization failed); see ``confluent_kafka.KafkaError``.
            count: Number of requests that fail, 0 to 100,000, in addition to earlier calls. A request may hold
                records of one partition only, and a retried request counts again. 0 cancels all failures to come.

        Raises:
            ConfigurationError: The count is out of its range.
            LifecycleError: It is not running.
        """
        _require_range("count", count, 0, _MAX_FAILURES)
        with self._lock:
            library, cluster = self._running()
            if count == 0:
                library.rd_kafka_mock_clear_request_errors(cluster, _API_KEY_PRODUCE)
                return
            # The array, because the plain function takes a variable number of arguments, which ctypes may pass wrongly.
            errors = (ctypes.c_int * count)(*([error_code] * count))
            library.rd_kafka_mock_push_request_errors_array(cluster, _API_KEY_PRODUCE, count, errors)

    def _on_every_broker(self, function: str, *arguments: int) -> None:
        with self._lock:
            library, cluster = self._running()
            for broker_id in self._broker_ids:
                code = getattr(library, function)(cluster, broker_id, *arguments)
                self._check(code, f"{function} failed on embedded broker {broker_id}")

    def _running(self) -> tuple[ctypes.CDLL, int]:
        if self._library is None or self._cluster is None:
            message = "the embedded Kafka is not running: call start() first"
            raise LifecycleError(message)
        if self._pid != os.getpid():
            message = (
                f"the embedded Kafka belongs to process {self._pid}, from which this one was forked: start another one"
            )
            raise LifecycleError(message)
        return self._library, self._cluster

    def _check(self, code: int, what: str) -> None:
        if code == 0:
            return
        library, _ = self._running()
        reason: bytes = library.rd_kafka_err2str(code)
        message = f"{what}: {reason.decode(errors='replace')}"
        raise TransportError(message)


def _load_library() -> ctypes.CDLL:
    # The extension module is linked to the librdkafka of its wheel, under a name that differs between systems: the
    # symbols are looked up through the module's handle, so that no second copy of the library is loaded.
    from confluent_kafka import cimpl  # noqa: PLC0415 - importing telemetry.testing must not load librdkafka

    try:
        library = ctypes.CDLL(cimpl.__file__)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError) as exc:
        message = "the installed confluent-kafka exports no mock cluster: install it from a wheel, not from source"
        raise TransportError(message) from exc
    return library


def _new_silent_client(library: ctypes.CDLL) -> int:
    """Return a client handle for the mock cluster that writes no log."""
    # By default librdkafka logs to stderr.
    conf = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set_log_cb(conf, None)
    text = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
    handle: int | None = library.rd_kafka_new(_RD_KAFKA_PRODUCER, conf, text, _ERROR_TEXT_BYTES)
    if handle:
        return handle
    library.rd_kafka_conf_destroy(conf)  # rd_kafka_new owns it only if it succeeds
    message = f"the embedded Kafka could not be started: {text.value.decode(errors='replace')}"
    raise TransportError(message)


def _require_range(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise ConfigurationError(Problem(name, f"is {value}, outside {lowest:g} to {highest:g}"))


def _require_topic(name: str, partitions: int) -> None:
    if not name or "\0" in name:
        raise ConfigurationError(Problem("topic", "is empty or contains a NUL character", "give the topic a name"))
    _require_range("partitions", partitions, 1, _MAX_PARTITIONS)
