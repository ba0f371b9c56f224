//! What Gemini says about the sources of its answer, as the citations that clients know. Source: reference §5.

use std::collections::BTreeSet;

use crate::oci::wire::generic::{
    Annotation, Answer, GroundingChunk, GroundingMetadata, UrlCitation,
};

/// Citations of one answer. Each searches its place in the text again.
pub(super) const MAX_CITATIONS: usize = 256;

/// One citation for each stretch of `text` and source that it rests on, then the sources that no stretch rests on, which
/// have no place.
pub(super) fn citations(metadata: GroundingMetadata, text: &str) -> Vec<Annotation> {
    let mut citations = Vec::new();
    let mut cited = BTreeSet::new();
    let chunks = &metadata.grounding_chunks;
    for support in metadata.grounding_supports {
        let place = |bytes: Option<u64>| characters(text, bytes.unwrap_or(0));
        for index in support.grounding_chunk_indices {
            let Some((index, chunk)) = index
                .parse()
                .ok()
                .and_then(|index: usize| Some((index, chunks.get(index)?)))
            else {
                continue;
            };
            if citations.len() >= MAX_CITATIONS {
                return citations;
            }
            cited.insert(index);
            let segment = &support.segment;
            citations.push(citation(
                chunk,
                place(segment.start_index),
                place(segment.end_index),
            ));
        }
    }
    let others = (0..)
        .zip(chunks)
        .filter(|(index, _)| !cited.contains(index));
    citations.extend(others.map(|(_, chunk)| citation(chunk, 0, 0)));
    citations.truncate(MAX_CITATIONS);
    citations
}

/// An event of a stream with its sources, without places, as the text that they are in has gone out already.
pub(super) fn with_sources(
    message: Option<Answer>,
    metadata: Option<GroundingMetadata>,
) -> Option<Answer> {
    let Some(metadata) = metadata else {
        return message;
    };
    let mut message = message.unwrap_or_default();
    if message.annotations.is_empty() {
        let sources = metadata.grounding_chunks.iter().take(MAX_CITATIONS);
        message.annotations = sources.map(|chunk| citation(chunk, 0, 0)).collect();
    }
    Some(message)
}

fn citation(chunk: &GroundingChunk, start: u64, end: u64) -> Annotation {
    Annotation {
        url_citation: Some(UrlCitation {
            start_index: Some(start),
            end_index: Some(end),
            title: chunk.web.title.clone(),
            url: chunk.web.uri.clone(),
        }),
    }
}

/// Gemini counts bytes, clients count characters. A place that is none stays as it is.
fn characters(text: &str, bytes: u64) -> u64 {
    let before = usize::try_from(bytes).ok().and_then(|end| text.get(..end));
    before
        .and_then(|before| u64::try_from(before.chars().count()).ok())
        .unwrap_or(bytes)
}
