//! Asks the venues that stream no open interest, or not all of it, for their samples, each venue from one replica, and
//! writes them into the shard streams.
//!
//! What is asked is the protocols' affair, how often `cascade-feed`'s. Decides nothing.

mod desk;
mod holes;
mod intake;
mod owed;
mod post;
mod readings;
mod silence;
mod standing;
mod waiting;
mod writer;

use std::sync::Arc;

use cascade_bus::Bus;
use cascade_domain::{GapStream, Venue};
use cascade_feed::Poll;
use cascade_feed::rest::Client;
use cascade_service::{BoxError, Context, Markets, Share, Shutdown, StopWhenGone, Streams, Supervisor};
use cascade_venues::{Instruments, Listing, Protocol, Quote, Route, Sizing, Wanted, protocol};

use desk::Desk;
use post::Post;
use writer::Writer;

/// What the pollers are told.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) markets: Markets,
    pub(crate) streams: Streams,
    /// How much of what a venue takes of REST requests may be used.
    pub(crate) weight_share: f64,
}

/// Starts the pollers, what they write with, and what they show.
///
/// # Errors
/// No HTTP client can be built on this machine.
pub(crate) fn start(
    asked: &Asked,
    context: &Context,
    bus: &Bus,
    supervisor: &mut Supervisor,
) -> Result<(), BoxError> {
    let client = Client::try_new(Arc::clone(&context.clock), context.seed)?;
    let mut venues = asked.venues();
    if venues.is_empty() {
        return Ok(());
    }
    let desk = Desk::new(context.metrics.clone());
    let drained = Arc::new(StopWhenGone::new(Shutdown::new()));
    let share = Share::default();
    // Replicas that start together shall not all ask for the same venue first.
    let first = usize::try_from(context.seed >> 8).unwrap_or_default() % venues.len();
    venues.rotate_left(first);
    for (turn, (venue, is_streamed)) in (0..).zip(venues) {
        let post = Post {
            poll: asked.poll(venue, client.clone(), context),
            is_streamed,
            bus: bus.clone(),
            instance: context.instance.clone(),
            clock: Arc::clone(&context.clock),
            desk: desk.clone(),
            share: share.clone(),
            turn,
        };
        let (drained, shutdown) = (Arc::clone(&drained), supervisor.shutdown());
        supervisor.spawn(format!("poll-{venue}"), async move {
            let ended = post.hold(shutdown).await;
            drop(drained);
            ended
        });
    }
    let (bounds, clock) = (asked.streams.bounds(), Arc::clone(&context.clock));
    let writing = Writer::new(bus.clone(), bounds, clock, desk.clone()).run(drained.shutdown());
    let showing = readings::run(bus.clone(), desk, context.clone(), supervisor.shutdown());
    supervisor.spawn("samples", async move {
        writing.await;
        Ok(())
    });
    supervisor.spawn("polls", async move {
        showing.await;
        Ok(())
    });
    Ok(())
}

impl Asked {
    /// The venues that have to be asked, each with whether its sockets tell the same.
    fn venues(&self) -> Vec<(Venue, bool)> {
        let asked = |venue: &Venue| {
            let (protocol, endpoints) = (protocol(*venue), self.markets.endpoints(*venue));
            let (all, listed) = (Wanted::default(), listing_of_bitcoin(protocol)?);
            let routes = protocol.routes(&all, &listed, &endpoints);
            let is_streamed =
                routes.iter().flat_map(Route::streams).any(|(stream, _)| stream == GapStream::OpenInterest);
            let has_questions = !protocol.samplings(&all, &listed, &endpoints).is_empty();
            has_questions.then_some((*venue, is_streamed))
        };
        self.markets.exchanges.iter().filter_map(asked).collect()
    }

    fn poll(&self, venue: Venue, client: Client, context: &Context) -> Poll {
        Poll {
            protocol: protocol(venue),
            endpoints: self.markets.endpoints(venue),
            wanted: self.markets.wanted(venue),
            client,
            clock: Arc::clone(&context.clock),
            refresh: self.markets.instruments_refresh,
            share: self.weight_share,
        }
    }
}

/// A venue that lists its contract of BTC and nothing else: what a protocol asks of that one, it asks of others.
fn listing_of_bitcoin(protocol: &dyn Protocol) -> Option<Instruments> {
    let (venue, name) = (protocol.venue(), protocol.btc_reference());
    let mut listed = Instruments::new();
    listed.insert(Listing::of(venue, name, "BTC", Quote::Usdt, Sizing::Coins).ok()?);
    Some(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_service::config::{Document, Mistakes, Sources};

    #[test]
    fn binance_and_okx_are_asked_and_only_binance_tells_nothing_on_sockets() {
        let (document, mut mistakes): (_, Mistakes) = Document::load(&Sources::default());
        let markets = Markets::read(&document, &mut mistakes);
        let asked = Asked { markets, streams: Streams::default(), weight_share: 0.5 };
        assert_eq!(asked.venues(), [(Venue::Binance, false), (Venue::Okx, true)]);
    }
}
