//! SQS, SNS and EventBridge: queues, topics and event buses (Service Authorization Reference of each).

use super::{
    Level, Part, Service,
    service::{REGIONAL, Refused, check, prefixed},
};

/// Batches are authorized as these actions too. Clients look up a queue's URL and its attributes before anything else.
pub(super) static SQS: Service = Service {
    flag: "sqs",
    what: "an SQS queue",
    key: "queue",
    value: "QUEUE=ACCESS",
    sid: "PodidSqs",
    in_arns: "sqs",
    by_name: |name| check_queue(name).map(|()| name.to_owned()),
    by_arn: |part| prefixed(part, "", check_queue),
    levels: &[
        Level {
            name: "consume",
            parts: &[Part::itself(&[
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
            ])],
        },
        Level {
            name: "produce",
            parts: &[Part::itself(&["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"])],
        },
        Level {
            name: "both",
            parts: &[Part::itself(&[
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:SendMessage",
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
            ])],
        },
    ],
    ..REGIONAL
};

fn check_queue(name: &str) -> Result<(), Refused> {
    if name.len() > 80 {
        return Err("is longer than 80 characters");
    }
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    check(stem, 80, b"_-", "may have only letters, digits, `_` and `-`, and `.fifo` at the end")
}

/// PublishBatch is authorized as Publish. Unsubscribe works on no resource, and is left to `--allow`.
pub(super) static SNS: Service = Service {
    flag: "sns",
    what: "an SNS topic",
    key: "topic",
    value: "TOPIC=ACCESS",
    sid: "PodidSns",
    in_arns: "sns",
    by_name: |name| check_topic(name).map(|()| name.to_owned()),
    by_arn: |part| prefixed(part, "", check_topic),
    levels: &[
        Level { name: "publish", parts: &[Part::itself(&["sns:Publish"])] },
        Level { name: "subscribe", parts: &[Part::itself(&["sns:Subscribe", "sns:ConfirmSubscription"])] },
    ],
    ..REGIONAL
};

fn check_topic(name: &str) -> Result<(), Refused> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    check(stem, 256, b"_-", "may have only letters, digits, `_` and `-`, and `.fifo` at the end; at most 256")
}

pub(super) static EVENTS: Service = Service {
    flag: "events",
    what: "an EventBridge event bus",
    key: "bus",
    value: "BUS=put",
    sid: "PodidEvents",
    in_arns: "events",
    by_name: |name| check_bus(name).map(|()| format!("event-bus/{name}")),
    by_arn: |part| prefixed(part, "event-bus/", check_bus),
    name: |part| part.strip_prefix("event-bus/"),
    levels: &[Level { name: "put", parts: &[Part::itself(&["events:PutEvents"])] }],
    ..REGIONAL
};

fn check_bus(name: &str) -> Result<(), Refused> {
    check(name, 256, b"._-/", "may have only letters, digits, `.`, `_`, `-` and `/`; at most 256")
}
