//! Speaking to other meshes: the replica that leads does, and writes what it hears into objects that all replicas follow.

mod links;
mod task;

pub(crate) use task::Task;
