//! Numbers a stream's tool calls. OCI's fragments carry no index, and every vendor has its own habit; the rules and the
//! patterns they were made for are those of reference §6.3, one table test each.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use crate::json::Scan;
use crate::oci::wire::generic::AnswerToolCall;
use crate::openai::chunk::{FunctionDelta, ToolCallDelta};

/// Calls of one choice; what comes beyond is refused. OCI takes 128 tools, and nobody calls each twice.
pub(super) const MAX_TOOL_CALLS: usize = 256;

/// Bytes of arguments that are kept for a call whose name has not come yet. Who names calls late does so at once.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// The arguments of a call that has none.
pub(super) const NO_ARGUMENTS: &str = "{}";

/// Hex digits of a made-up id, as long as OpenAI's own: clients check the length of what they send back.
const ID_DIGITS: usize = 24;

/// Makes ids for calls that came without one: the same for the same seed, choice and number, and unlike any other.
#[derive(Debug)]
pub(super) struct MadeUpIds<'a> {
    pub(super) seed: &'a str,
    pub(super) choice: u32,
}

impl MadeUpIds<'_> {
    pub(super) fn id(&self, call: usize) -> String {
        let digest = Sha256::digest(format!("{}:{}:{call}", self.seed, self.choice));
        let digits = digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        format!("call_{}", digits.get(..ID_DIGITS).unwrap_or(&digits))
    }
}

/// The ids of the calls that one event, or a whole answer, has side by side: two with one id are two calls, and the client's
/// results name them by their ids.
#[derive(Debug, Default)]
pub(super) struct OwnIds(HashMap<String, u32>);

impl OwnIds {
    /// The same for the same calls, so that one told again is known.
    pub(super) fn own(&mut self, id: String) -> String {
        let times = self.0.entry(id.clone()).or_default();
        *times = times.saturating_add(1);
        match *times {
            1 => id,
            times => format!("{id}_{times}"),
        }
    }
}

/// The tool calls of one choice.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
    /// How many of them the client was told of.
    told: usize,
    /// Which call is being written at each place of the event's list.
    open: BTreeMap<usize, usize>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: Option<String>,
    arguments: Scan,
    told: Told,
}

/// A call opens with its name: clients cannot take one that gets it later, or never.
#[derive(Debug)]
enum Told {
    /// Under this number.
    As(usize),
    /// Not before its name comes; these are its arguments so far.
    Later(String),
    /// Its name did not come within [`MAX_HELD_BYTES`].
    Never,
}

/// There were more than [`MAX_TOOL_CALLS`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyCalls;

impl ToolCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.told == 0
    }

    /// The delta for an entry at `position` of an event's list; `None` if it says nothing new.
    pub(super) fn push(
        &mut self,
        position: usize,
        entry: AnswerToolCall,
        ids: &MadeUpIds<'_>,
    ) -> Result<Option<ToolCallDelta>, TooManyCalls> {
        let AnswerToolCall {
            id,
            name,
            arguments,
        } = entry;
        let known = match &id {
            Some(id) => self.calls.iter().position(|call| call.id == *id),
            None => self.continued(position, name.as_deref()),
        };
        match (known, &id, &name) {
            (Some(number), _, _) => {
                self.open.insert(position, number);
                let announced = id.is_some() || name.is_some();
                Ok(self.append(number, announced, name, arguments))
            }
            // A fragment of nothing: there is no call to append it to, and no name to make one of.
            (None, None, None) => Ok(None),
            (None, _, _) => self.start(position, id, name, arguments, ids),
        }
    }

    /// The call that an entry without id goes on with; `None`: it starts one.
    fn continued(&self, position: usize, name: Option<&str>) -> Option<usize> {
        let open = self.open.get(&position).copied();
        let Some(name) = name else {
            // A fragment at a place where nothing was opened belongs to the latest call: calls are written in turn.
            return open.or_else(|| self.calls.len().checked_sub(1));
        };
        let call = self.calls.get(open?)?;
        // A call cannot be renamed either, so that another name starts another call even if the arguments of the
        // first never came.
        let goes_on =
            !call.arguments.is_complete() && call.name.as_deref().is_none_or(|known| known == name);
        if goes_on { open } else { None }
    }

    /// Deltas that make JSON of the arguments that never came: of a call without arguments vendors write nothing, and
    /// clients parse what they have put together.
    pub(super) fn finish(&mut self) -> Vec<ToolCallDelta> {
        let blank = self
            .calls
            .iter_mut()
            .filter(|call| call.arguments.is_blank());
        let told = blank.filter_map(|call| {
            let Told::As(number) = call.told else {
                return None;
            };
            call.arguments.push(NO_ARGUMENTS);
            Some(ToolCallDelta {
                index: index(number),
                id: None,
                r#type: None,
                function: FunctionDelta {
                    name: None,
                    arguments: NO_ARGUMENTS.to_owned(),
                },
            })
        });
        told.collect()
    }

    fn start(
        &mut self,
        position: usize,
        id: Option<String>,
        name: Option<String>,
        arguments: Option<String>,
        ids: &MadeUpIds<'_>,
    ) -> Result<Option<ToolCallDelta>, TooManyCalls> {
        let number = self.calls.len();
        if number >= MAX_TOOL_CALLS {
            return Err(TooManyCalls);
        }
        self.calls.push(Call {
            id: id.unwrap_or_else(|| ids.id(number)),
            name: None,
            arguments: Scan::default(),
            told: Told::Later(String::new()),
        });
        self.open.insert(position, number);
        Ok(self.append(number, true, name, arguments))
    }

    fn append(
        &mut self,
        number: usize,
        announced: bool,
        name: Option<String>,
        arguments: Option<String>,
    ) -> Option<ToolCallDelta> {
        let call = self.calls.get_mut(number)?;
        // A whole call announced again, by its name or its id, brings its arguments again.
        let again = announced && call.arguments.is_complete();
        let arguments = arguments.filter(|_| !again).unwrap_or_default();
        call.arguments.push(&arguments);
        call.name = call.name.take().or(name);
        let (number, opening, arguments) = match (&mut call.told, &call.name) {
            (Told::As(number), _) if !arguments.is_empty() => (*number, None, arguments),
            (Told::Later(held), name) => {
                held.push_str(&arguments);
                let Some(name) = name.clone() else {
                    if held.len() > MAX_HELD_BYTES {
                        call.told = Told::Never;
                    }
                    return None;
                };
                let (held, number) = (std::mem::take(held), self.told);
                call.told = Told::As(number);
                self.told += 1;
                (number, Some((call.id.clone(), name)), held)
            }
            (Told::As(_) | Told::Never, _) => return None,
        };
        let (id, name) = opening.unzip();
        Some(ToolCallDelta {
            index: index(number),
            r#type: id.is_some().then_some("function"),
            id,
            function: FunctionDelta { name, arguments },
        })
    }
}

/// Never saturates: [`MAX_TOOL_CALLS`] is far below.
fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
