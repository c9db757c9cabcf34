//! TrafficMetrics: what proxies have seen of the traffic, and the aggregated API that answers from it.

#![expect(dead_code, reason = "the API that asks comes next")]

mod model;
mod source;
