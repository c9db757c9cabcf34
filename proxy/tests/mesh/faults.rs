//! What breaks round a sidecar: endpoints, the controller, the machine.
