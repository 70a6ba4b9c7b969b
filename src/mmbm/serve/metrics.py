"""Prometheus metrics at /metrics."""

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

STAGES = ("read", "decode", "queue", "run", "search")
CELLS = ("present", "absent", "bad", "unseen")
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Counter(
            "mmbm_requests_total", "Requests.", ["method", "route", "status"], registry=own
        )
        self.seconds = Histogram(
            "mmbm_request_seconds", "Seconds from request to answer.", ["route"],
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.stage = Histogram(
            "mmbm_stage_seconds", "Seconds of a row in each stage.", ["model", "stage"],
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.batch = Histogram(
            "mmbm_batch_rows", "Rows that ran together.", ["model"], buckets=SIZES, registry=own
        )
        self.rejected = Counter(
            "mmbm_rejected_total", "Requests refused.", ["reason"], registry=own
        )
        self.active = Gauge(
            "mmbm_requests_active", "Requests under way.", multiprocess_mode="livesum", registry=own
        )
        self.streams = Gauge(
            "mmbm_streams_active", "Streams under way.", multiprocess_mode="livesum", registry=own
        )
        self.streamed = Counter(
            "mmbm_streamed_seconds_total", "Seconds of sound that were streamed.", ["model"],
            registry=own,
        )  # fmt: skip
        self.queue = Gauge(
            "mmbm_queue_rows", "Rows that wait for the model.", ["model"],
            multiprocess_mode="livesum", registry=own,
        )  # fmt: skip
        self.cells = Counter(
            "mmbm_cells_total", "Cells by what they were: present, absent or bad; unseen are those "
            "of the present that hold a value training never saw.",
            ["model", "column", "state"], registry=own,
        )  # fmt: skip
        self.drift = Gauge(
            "mmbm_input_drift_psi", "Population stability index against training; over 0.25 the "
            "input is another population.", ["model", "column"],
            multiprocess_mode="livemax", registry=own,
        )  # fmt: skip
        self.model = Gauge(
            "mmbm_model_info", "1 for the version of a model that answers.", ["model", "version"],
            multiprocess_mode="livemax", registry=own,
        )  # fmt: skip

    def page(self) -> bytes:
        """All metrics as text; summed over processes."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)
        return generate_latest(together)
