//! `longshore:workflow/lineage`: a run that goes on as a new one. What becomes of the two runs is the runtime's business.

use std::sync::Arc;

use longshore_model::{Continue, Json, RunId};

use super::durable::stop_what_runs;
use super::workflow::longshore::workflow::lineage::{self, Refusal};
use crate::host::Host;
use crate::ledger::{Halt, Question, Stop};

impl lineage::Host for Host {
    fn continue_as_new(&mut self, input: String) -> wasmtime::Result<Refusal> {
        let scene = Arc::clone(&self.scene);
        let Some(function) = scene.cx.function().filter(|_| scene.durable && scene.depth == 0)
        else {
            return Ok(Refusal::Unavailable);
        };
        let most = scene.grant.limits().input_bytes;
        if input.len() as u64 > most {
            let bytes = input.len();
            let why = format!("it has {bytes} bytes; the limit `input-bytes` is {most}");
            return Ok(Refusal::BadInput(why));
        }
        if let Err(error) = function.arguments(&input) {
            return Ok(Refusal::BadInput(error.to_string()));
        }
        let Ok(input) = Json::parse(input.trim()) else {
            return Ok(Refusal::BadInput("it is not one JSON value".to_owned()));
        };
        let children = scene.cx.children();
        // In a repetition without children nothing new is asked for.
        let run = children.map_or(RunId::from_bytes([0; 16]), |children| children.new_id());
        let next = Continue { run, input };
        let run = match scene.ledger().ask(scene.id, Question::Continue(next.clone())) {
            Ok((_, run)) => run.unwrap_or(next.run),
            Err(Stop::Cancelled) => {
                stop_what_runs(&scene)?;
                return Ok(Refusal::Interrupted);
            }
            Err(stop) => return Err(scene.stopped(stop)),
        };
        if let Some(children) = children {
            for child in scene.ledger().attached(scene.id) {
                children.cancel(child);
            }
        }
        scene.ledger().leave(scene.id).map_err(|stop| scene.stopped(stop))?;
        Err(scene.halted(Halt::Continued(Continue { run, ..next })))
    }

    fn number(&mut self) -> wasmtime::Result<u32> {
        Ok(self.scene.cx.line().number)
    }

    fn first(&mut self) -> wasmtime::Result<String> {
        Ok(self.scene.cx.line().first.to_string())
    }
}
