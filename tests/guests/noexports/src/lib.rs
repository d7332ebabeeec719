//! Exports nothing: a component that cannot be run.
