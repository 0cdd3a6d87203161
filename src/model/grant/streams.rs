//! Kinesis data streams and Firehose (Service Authorization Reference of each).

use super::{
    Level, Part, Resource, Service,
    service::{REGIONAL, Refused, always, check, prefixed},
};

pub(super) static KINESIS: Service = Service {
    flag: "kinesis",
    what: "a Kinesis stream",
    key: "stream",
    value: "STREAM=ACCESS",
    sid: "PodidKinesis",
    in_arns: "kinesis",
    by_name: |name| check_stream(name).map(|()| format!("stream/{name}")),
    by_arn: |part| prefixed(part, "stream/", check_stream),
    name: |part| part.strip_prefix("stream/"),
    holds: |part| Some(format!("stream/{}", part.strip_prefix("stream/")?.split('/').next()?)),
    levels: &[
        Level {
            name: "consume",
            parts: &[
                Part::itself(&[
                    "kinesis:DescribeStreamSummary",
                    "kinesis:DescribeStream",
                    "kinesis:ListShards",
                    "kinesis:GetShardIterator",
                    "kinesis:GetRecords",
                    "kinesis:RegisterStreamConsumer",
                    "kinesis:ListStreamConsumers",
                ]),
                // Enhanced fan-out, which current client libraries choose by themselves.
                Part {
                    suffix: "Consumer",
                    actions: &[
                        "kinesis:DescribeStreamConsumer",
                        "kinesis:SubscribeToShard",
                        "kinesis:DeregisterStreamConsumer",
                    ],
                    on: consumers,
                    condition: always,
                },
            ],
        },
        Level {
            name: "produce",
            parts: &[Part::itself(&[
                "kinesis:PutRecord",
                "kinesis:PutRecords",
                "kinesis:DescribeStreamSummary",
                "kinesis:ListShards",
            ])],
        },
    ],
    ..REGIONAL
};

fn consumers(resource: &Resource) -> Vec<String> {
    vec![format!("{resource}/consumer/*")]
}

fn check_stream(name: &str) -> Result<(), Refused> {
    check(name, 128, b"_.-", "may have only letters, digits, `_`, `.` and `-`; at most 128")
}

pub(super) static FIREHOSE: Service = Service {
    flag: "firehose",
    what: "a Firehose stream",
    key: "stream",
    value: "STREAM=put",
    sid: "PodidFirehose",
    in_arns: "firehose",
    by_name: |name| check_delivery(name).map(|()| format!("deliverystream/{name}")),
    by_arn: |part| prefixed(part, "deliverystream/", check_delivery),
    name: |part| part.strip_prefix("deliverystream/"),
    levels: &[Level { name: "put", parts: &[Part::itself(&["firehose:PutRecord", "firehose:PutRecordBatch"])] }],
    ..REGIONAL
};

fn check_delivery(name: &str) -> Result<(), Refused> {
    check(name, 64, b"_.-", "may have only letters, digits, `_`, `.` and `-`; at most 64")
}
