//! The built binary `longshore` as its users meet it: beside cosign, oras, crane and registries of
//! others, and with everything that can go wrong. All of it is in `tests/it`; nothing is here.
