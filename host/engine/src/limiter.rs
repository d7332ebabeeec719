//! Memory, tables and instances of one call, counted where wasmtime asks before it grows them.

use longshore_model::{LimitName, Limits};
use wasmtime::ResourceLimiter;

/// Counts what a store holds and refuses what goes past its limits.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: u64,
    peak_memory: u64,
    max_memory: u64,
    tables: u64,
    max_tables: u64,
    max_instances: usize,
}

/// The error that a refused growth raises; it carries the limit's name to whoever classifies the trap.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the call would have gone past its limit `{name}` of {limit}")]
pub(crate) struct LimitHit {
    pub(crate) name: LimitName,
    pub(crate) limit: u64,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            peak_memory: 0,
            max_memory: limits.memory_bytes,
            tables: 0,
            max_tables: limits.table_elements,
            max_instances: usize::try_from(limits.instances).unwrap_or(usize::MAX),
        }
    }

    /// The most linear memory that was held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add((desired.saturating_sub(current)) as u64);
        if total > self.max_memory {
            let hit = LimitHit { name: LimitName::MemoryBytes, limit: self.max_memory };
            return Err(wasmtime::Error::new(hit));
        }
        self.memory = total;
        self.peak_memory = self.peak_memory.max(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.tables.saturating_add((desired.saturating_sub(current)) as u64);
        if total > self.max_tables {
            let hit = LimitHit { name: LimitName::TableElements, limit: self.max_tables };
            return Err(wasmtime::Error::new(hit));
        }
        self.tables = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.max_instances
    }

    fn memories(&self) -> usize {
        self.max_instances
    }

    fn tables(&self) -> usize {
        self.max_instances.saturating_mul(4)
    }
}
