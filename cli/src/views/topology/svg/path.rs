//! The line of a link, its head, and where its label stands.

use std::fmt::Write as _;

use super::super::layout::NODE_HEIGHT;

type Point = (f64, f64);

pub(super) struct Path {
    /// As in an SVG path's `d`.
    pub(super) line: String,
    pub(super) head: String,
    pub(super) label: Point,
}

/// Of an arrow's head.
const HEAD: f64 = 9.0;
/// How far along a bend a label stands, from the end that it stands near.
const NEAR: f64 = 0.43;

impl Path {
    /// Through the points of a route; `at_end`: the label stands near the callee.
    pub(super) fn of(route: &[Point], node_width: f64, at_end: bool) -> Self {
        match route {
            [first, .., last] => Self::through(route, *first, *last, at_end),
            [corner] => Self::to_itself(*corner, node_width),
            [] => Self { line: String::new(), head: String::new(), label: (0.0, 0.0) },
        }
    }

    fn through(route: &[Point], first: Point, last: Point, at_end: bool) -> Self {
        let mut line = format!("M{:.1} {:.1}", first.0, first.1);
        for pair in route.windows(2) {
            let [(x, y), (to_x, to_y)] = pair else { continue };
            let middle = f64::midpoint(*x, *to_x);
            // Writing to a String can't fail.
            let _ = write!(line, "C{middle:.1} {y:.1} {middle:.1} {to_y:.1} {to_x:.1} {to_y:.1}");
        }
        let bend = if at_end { route.windows(2).next_back() } else { route.windows(2).next() };
        let label = match bend {
            Some([from, to]) if at_end => along(*to, *from),
            Some([from, to]) => along(*from, *to),
            _ => first,
        };
        // Links come in level, from the left or from the right.
        let before = route.iter().rev().nth(1).map_or(first.0, |point| point.0);
        let back = if before <= last.0 { -HEAD } else { HEAD };
        let (x, y) = last;
        let head = format!("M{x:.1} {y:.1}l{back:.1} {:.1}v{HEAD:.1}z", -HEAD / 2.0);
        Self { line, head, label: (label.0, label.1 - 4.0) }
    }

    /// Over the top of its node.
    fn to_itself((x, y): Point, width: f64) -> Self {
        let top = y - NODE_HEIGHT / 2.0;
        let (left, right) = (x + width * 0.35, x + width * 0.65);
        let line = format!("M{right:.1} {top:.1}C{right:.1} {0:.1} {left:.1} {0:.1} {left:.1} {top:.1}", top - 22.0);
        let head = format!("M{left:.1} {top:.1}l{:.1} {:.1}h{HEAD:.1}z", -HEAD / 2.0, -HEAD);
        Self { line, head, label: (x + width / 2.0, top - 19.0) }
    }
}

/// A point of the bend between two, nearer to the first.
fn along(from: Point, to: Point) -> Point {
    let (t, rest) = (NEAR, 1.0 - NEAR);
    let middle = f64::midpoint(from.0, to.0);
    let x = from.0 * rest.powi(3) + 3.0 * middle * (rest * rest * t + rest * t * t) + to.0 * t.powi(3);
    (x, from.1 + (to.1 - from.1) * (3.0 * t * t - 2.0 * t.powi(3)))
}
