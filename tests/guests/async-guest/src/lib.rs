//! Exports async functions, for the engine that has component-model async switched on.

wit_bindgen::generate!({ path: "wit", world: "guest" });

struct Slow;

impl exports::fixtures::asynchronous::slow::Guest for Slow {
    async fn later(value: u32, times: u32) -> u32 {
        for _ in 0..times {
            wit_bindgen::yield_async().await;
        }
        value
    }

    async fn both(left: String, right: String) -> String {
        wit_bindgen::yield_async().await;
        left + &right
    }
}

export!(Slow);
