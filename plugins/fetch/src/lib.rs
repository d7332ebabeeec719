//! Fetches a page over HTTP and extracts its readable text.
