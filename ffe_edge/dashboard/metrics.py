"""The dashboard's own figures in Prometheus' text format. Nothing about a person is among them."""

from __future__ import annotations

from ffe_edge import __version__
from ffe_edge.dashboard.intake import Intake
from ffe_edge.dashboard.webhook import Webhook
from ffe_edge.metrics import Kind, Metric, render


def figures(intake: Intake, webhook: Webhook | None) -> str:
    """The text that Prometheus reads; it asks no database."""
    counts = intake.writer.counts
    metrics = [
        _one("build_info", "gauge", "Version of ffe-edge.", 1, version=__version__),
        _one("broker_connected", "gauge", "1 while the broker is connected.", intake.subscriber.state == "connected"),
        _one("broker_mqtt5", "gauge", "1 where devices can answer.", intake.subscriber.version == "MQTT 5"),
        _one("store_available", "gauge", "1 while what comes can be stored.", not intake.writer.reason),
        Metric(
            "ffe_dashboard_messages_total",
            "counter",
            "Messages since the start: new ones, ones that were known, ones that are not of the contract.",
            (
                ({"result": "new"}, counts.stored),
                ({"result": "known"}, counts.repeated),
                ({"result": "refused"}, counts.refused),
            ),
        ),
        _one("batches_total", "counter", "Transactions that stored messages since the start.", counts.batches),
        _one("waiting_messages", "gauge", "Messages that are received and not stored yet.", intake.writer.waiting),
        _one("missing_messages", "gauge", "Messages that nodes told and that may still come.", intake.book.missing()),
        _one("lost_messages_total", "counter", "Messages since the start that never came.", intake.book.lost),
    ]
    if webhook is not None:
        metrics += [
            _one("webhook_sent_total", "counter", "Messages that the webhook took.", webhook.sent),
            _one("webhook_given_up_total", "counter", "Messages that the webhook did not take.", webhook.given_up),
        ]
    return render(metrics)


def _one(name: str, kind: Kind, told: str, value: float, **labels: str) -> Metric:
    return Metric(f"ffe_dashboard_{name}", kind, told, ((labels, value),))
