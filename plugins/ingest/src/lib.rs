//! Ingests pages: fetch, chunk, embed, hash, register, a call to an action for each. Does no work of its own but order and count.

mod tally;

/// Ingests pages: fetches each, cuts it into chunks, embeds and hashes them, and registers what is new.
#[longshore_guest::workflow(package = "longshore-plugins:ingest@1.0.0", interface = "ingest")]
pub mod ingest {
    use longshore_guest::Failure;

    /// What to ingest.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Request {
        /// The pages, `http` or `https`; at most 1000.
        pub urls: Vec<String>,
        /// How many tokens a chunk has at most; without it the setting of `chunk` decides.
        pub max_tokens: Option<u32>,
    }

    /// What became of the whole.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Report {
        /// The pages that were ingested.
        pub documents: u32,
        /// The pages that were not.
        pub failures: u32,
        /// The chunks of the ingested pages.
        pub chunks: u32,
        /// The estimated tokens of those chunks.
        pub tokens: u64,
        /// The chunks that were not in the store before.
        pub new: u32,
        /// The chunks that were.
        pub existing: u32,
        /// A line for each page, in the order asked for.
        pub lines: Vec<Line>,
    }

    /// What became of one page.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Line {
        /// As it was asked for.
        pub url: String,
        /// How it ended.
        pub outcome: Outcome,
    }

    /// How it ended for a page.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Outcome {
        /// Every chunk is in the store.
        Ingested(Ingested),
        /// A step failed, and the others went on without this page.
        Failed(Failure),
    }

    /// A page that is in the store.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Ingested {
        /// The title that the page gives itself.
        pub title: Option<String>,
        /// Its chunks.
        pub chunks: u32,
        /// The estimated tokens of its chunks.
        pub tokens: u64,
        /// The chunks that were not in the store before.
        pub new: u32,
        /// The chunks that were.
        pub existing: u32,
    }

    /// Ingests every page; one that fails is a line of the report, not the end.
    ///
    /// Fails, fatally, with `bad-request` when there is no URL or more than 1000.
    pub fn run(request: Request) -> Result<Report, Failure> {
        crate::tally::check(&request)?;
        let mut report = Report::default();
        for url in request.urls {
            let outcome = match page(&url, request.max_tokens) {
                Ok(ingested) => Outcome::Ingested(ingested),
                Err(failure) => Outcome::Failed(failure),
            };
            let line = Line { url, outcome };
            longshore_guest::run::note(&crate::tally::note(&line));
            crate::tally::add(&mut report, line);
        }
        Ok(report)
    }

    fn page(url: &str, max_tokens: Option<u32>) -> Result<Ingested, Failure> {
        let document = actions::fetch::get(url)?;
        let chunks = actions::chunk::split(&document.text, max_tokens)?;
        let texts = chunks.iter().map(|chunk| chunk.text.clone()).collect::<Vec<_>>();
        let embeddings = actions::embed::embed(&texts);
        let hashes = actions::hash::sha256(&texts);
        let tokens = chunks.iter().map(|chunk| u64::from(chunk.tokens)).sum();
        if embeddings.len() != chunks.len() || hashes.len() != chunks.len() {
            return Err(Failure::fatal(
                "bad-answer",
                "an action answered for another number of chunks",
            ));
        }
        let entries = chunks
            .into_iter()
            .zip(embeddings)
            .zip(hashes)
            .map(|((chunk, embedding), hash)| actions::register::Entry {
                hash,
                text: chunk.text,
                tokens: chunk.tokens,
                embedding,
                source: document.url.clone(),
            })
            .collect::<Vec<_>>();
        let registered = actions::register::put(&entries)?;
        Ok(Ingested {
            title: document.title,
            chunks: crate::tally::count(entries.len()),
            tokens,
            new: crate::tally::count(registered.new.len()),
            existing: crate::tally::count(registered.existing.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use longshore_guest::testing::check_wit;

    #[test]
    fn the_committed_wit_is_the_code() {
        check_wit(super::ingest::WIT, concat!(env!("CARGO_MANIFEST_DIR"), "/wit/ingest.wit"));
    }

    #[test]
    fn the_dependencies_are_what_the_actions_say() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for action in ["fetch", "chunk", "embed", "hash", "register"] {
            let theirs = here.join(format!("../{action}/wit/{action}.wit"));
            let theirs = std::fs::read_to_string(theirs).unwrap();
            check_wit(&theirs, here.join(format!("wit/deps/{action}.wit")));
        }
    }
}
