//! Streams from their newest entry backwards. Knows no meaning of an entry.

use redis::Pipeline;

use crate::stream::RawEntry;
use crate::{Bus, BusError, Entry, StreamId};

impl Bus {
    /// The newest entries of each of these streams, newest first and `count` of each at most; of those with an id only the
    /// ones before it. Each stream has its own result: it may hold another type. Does not wait for what is to come.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn newest_entries(
        &self,
        streams: &[(String, Option<StreamId>)],
        count: usize,
    ) -> Result<Vec<Result<Vec<Entry>, BusError>>, BusError> {
        let mut pipe = Pipeline::with_capacity(streams.len());
        for (key, before) in streams {
            let last = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
            pipe.cmd("XREVRANGE").arg(key).arg(last).arg("-").arg("COUNT").arg(count);
        }
        let answers = self.link.read_all::<Vec<RawEntry>>(&mut pipe, self.settings.response_timeout).await?;
        let read = |entries: Vec<RawEntry>| entries.into_iter().map(Entry::of).collect();
        Ok(answers.into_iter().map(|answer| answer.map_err(|e| BusError::of(&e)).and_then(read)).collect())
    }
}
