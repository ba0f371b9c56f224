//! What is measured, and how it is told.

use std::cell::Cell;
use std::time::{Duration, Instant};

use argh::FromArgs;
use ociai_proxy::parts::Turns;

use super::body::Body;
use super::crowd::{Load, Seen};
use super::figures::{self, Spread, ms, quantile, us};
use super::machine::machine;
use super::process::{Memory, Subject, config};
use super::upstream::Upstream;

/// Threads of the program, and open streams.
pub(super) const WORKERS: usize = 200;
/// Not measured, at the beginning of a load.
const WARM_UP: Duration = Duration::from_millis(600);
/// A stream of a model that thinks fast.
pub(super) const EVENTS: u32 = 50;
pub(super) const GAP: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_secs(2);
/// Of the queue: accounts, what an answer takes, and the clients.
const ACCOUNTS: usize = 16;
const LATENCY: Duration = Duration::from_millis(100);
const CROWDS: [usize; 2] = [200, 1000];
/// Accounts of a fleet at its largest.
const MANY_ACCOUNTS: usize = 64;
/// Starts, of which the median counts.
const STARTS: usize = 9;

/// speed: how fast and how small the program is
#[derive(FromArgs)]
struct Options {
    /// given by cargo
    #[argh(switch)]
    #[expect(dead_code, reason = "cargo gives it")]
    bench: bool,
    /// parts of the benchmark, separated by commas; all of them
    #[argh(option)]
    only: Option<String>,
    /// numbers of clients of the load, separated by commas; 1,16,64,200
    #[argh(option, default = "String::from(\"1,16,64,200\")")]
    clients: String,
    /// how long a load lasts, in milliseconds; 2500
    #[argh(option, default = "2500")]
    length: u64,
    /// bodies of the load, separated by commas; small,image,text
    #[argh(option, default = "String::from(\"small,image,text\")")]
    bodies: String,
    /// how often each is put on; 3
    #[argh(option, default = "3")]
    repetitions: usize,
    /// a shell command that starts another proxy, to be put under the same loads
    #[argh(option)]
    compare: Option<String>,
    /// also a million requests, for the memory
    #[argh(switch)]
    million: bool,
}

/// Who is put under a load.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// None: the upstream itself.
    pub(super) subject: Option<Subject>,
}

pub(super) struct Bench {
    options: Options,
    epoch: Instant,
    pub(super) upstream: Upstream,
}

pub(crate) fn run() {
    let options: Options = argh::from_env();
    let epoch = Instant::now();
    let bench = Bench {
        options,
        epoch,
        upstream: Upstream::start(epoch),
    };
    println!(
        "{}; medians (least-most) of {} repetitions, each {} s",
        machine(),
        bench.options.repetitions,
        bench.length().as_secs_f64()
    );
    let scenes = [
        ("parts", Bench::parts as fn(&Bench)),
        ("load", Bench::load),
        ("paced", Bench::paced),
        ("apis", super::apis::apis),
        ("slow", Bench::slow),
        ("queue", Bench::queue),
        ("footprint", Bench::footprint),
        ("growth", Bench::growth),
    ];
    for (name, scene) in scenes {
        let only = bench.options.only.as_deref();
        if only.is_none_or(|only| only.split(',').any(|one| one == name)) {
            scene(&bench);
        }
    }
}

impl Bench {
    fn length(&self) -> Duration {
        Duration::from_millis(self.options.length)
    }

    pub(super) fn bodies(&self) -> Vec<Body> {
        let names = ["small", "image", "text"];
        let all = names
            .into_iter()
            .zip([Body::Small, Body::Image, Body::Text]);
        let wanted = |name: &str| self.options.bodies.split(',').any(|one| one == name);
        all.filter(|(name, _)| wanted(name))
            .map(|(_, body)| body)
            .collect()
    }

    /// One account, as the program is set by default.
    pub(super) fn plain_config(&self) -> String {
        config(self.upstream.address, 1, "")
    }

    /// The upstream itself, the program, and the other one if there is one.
    fn contenders(&self) -> Vec<Contender> {
        let config = self.plain_config();
        let mut all = vec![
            Contender {
                name: "direct",
                subject: None,
            },
            Contender {
                name: "proxied",
                subject: Some(Subject::own(&config, false)),
            },
        ];
        all.extend(self.options.compare.as_ref().map(|line| Contender {
            name: "compared",
            subject: Some(Subject::other(line, &config, self.upstream.address)),
        }));
        all
    }

    /// Puts it on all of them in turn; what was seen of each.
    pub(super) fn measure(&self, contenders: &[Contender], load: &Load<'_>) -> Vec<Vec<Seen>> {
        self.measure_between(contenders, load, || {})
    }

    /// `between`: before each round.
    fn measure_between(
        &self,
        contenders: &[Contender],
        load: &Load<'_>,
        mut between: impl FnMut(),
    ) -> Vec<Vec<Seen>> {
        let mut seen = vec![Vec::new(); contenders.len()];
        for _ in 0..self.options.repetitions {
            between();
            for (contender, seen) in contenders.iter().zip(&mut seen) {
                let mut load = load.clone();
                load.address = contender
                    .subject
                    .as_ref()
                    .map_or(self.upstream.address, |subject| subject.address);
                let cpu = || {
                    contender
                        .subject
                        .as_ref()
                        .map_or(Duration::ZERO, Subject::cpu)
                };
                seen.push(load.run(cpu));
            }
        }
        seen
    }

    pub(super) fn base<'a>(&self, request: &'a [u8], clients: usize) -> Load<'a> {
        Load {
            address: self.upstream.address,
            request,
            clients,
            warm_up: WARM_UP,
            length: self.length(),
            events: 0,
            epoch: self.epoch,
        }
    }

    fn parts(&self) {
        figures::head(&[
            "body",
            "cores busy",
            "sign, µs",
            "hash",
            "translate",
            "HTTP in",
            "HTTP out",
            "ideal",
        ]);
        for body in self.bodies() {
            for (busy, parts) in [("one", body.ideal_alone()), ("all", body.ideal())] {
                figures::row(&[
                    body.name().to_owned(),
                    busy.to_owned(),
                    format!("{:.0}", us(parts.sign)),
                    format!("{:.1}", us(parts.hash)),
                    format!("{:.1}", us(parts.translate)),
                    format!("{:.1}", us(parts.hop_in)),
                    format!("{:.1}", us(parts.hop_out)),
                    format!("{:.0}", us(parts.sum())),
                ]);
            }
        }
    }

    /// Whole answers that come at once.
    fn load(&self) {
        self.upstream.answer_after(Duration::ZERO);
        let contenders = self.contenders();
        figures::head(&[
            "body",
            "clients",
            "who",
            "requests/s",
            "of direct",
            "of ideal",
            "CPU-s/1,000",
            "of ideal",
            "p50, ms",
            "p99, ms",
            "p99/p50",
            "p50 added, ms",
            "failed",
        ]);
        for body in self.bodies() {
            let request = body.request();
            for clients in self
                .options
                .clients
                .split(',')
                .map(|n| n.parse::<usize>().unwrap())
            {
                let mut ideals = Vec::new();
                let ideal = || {
                    let parts = if clients == 1 {
                        body.ideal_alone()
                    } else {
                        body.ideal()
                    };
                    ideals.push(parts.sum().as_secs_f64());
                };
                let load = self.base(&request, clients);
                let seen = self.measure_between(&contenders, &load, ideal);
                let direct = rate(&seen[0]).median;
                let direct_p50 = latency(&seen[0], 50).median;
                for (contender, seen) in contenders.iter().zip(&seen) {
                    let (rate, p50, p99) = (rate(seen), latency(seen, 50), latency(seen, 99));
                    let tail = Spread::of(
                        seen.iter()
                            .map(|seen| quantile(&seen.took, 99) / quantile(&seen.took, 50)),
                    );
                    let mut cells = vec![
                        body.name().to_owned(),
                        clients.to_string(),
                        contender.name.to_owned(),
                        rate.text(0),
                        format!("{:.3}", rate.median / direct),
                    ];
                    if contender.subject.is_some() {
                        let (share, cost) = of_ideal(seen, &ideals);
                        cells.push(share.text(2));
                        cells.push(format!("{:.3}", cpu_each(seen).median * 1000.0));
                        cells.push(cost.text(2));
                    } else {
                        cells.extend(["", "", ""].map(str::to_owned));
                    }
                    cells.push(p50.text(2));
                    cells.push(p99.text(2));
                    cells.push(tail.text(1));
                    cells.push(format!("{:.2}", p50.median - direct_p50));
                    cells.push(failures(seen));
                    figures::row(&cells);
                }
            }
        }
    }

    /// Streams of a steady pace, as many as the program has threads.
    fn paced(&self) {
        self.upstream.stream(EVENTS.into(), GAP);
        let contenders = self.contenders();
        figures::head(&[
            "200 streams of 50 chunks, 20 ms apart",
            "chunks/s",
            "of direct",
            "delay a chunk p50, ms",
            "p99, ms",
            "first chunk p50, ms",
            "p99, ms",
            "CPU, % of a core",
            "unserved",
            "failed",
        ]);
        let request = Body::Small.stream_request();
        let mut load = self.base(&request, WORKERS);
        // A whole stream to get in, and some of them to measure.
        load.warm_up = GAP * 2 * EVENTS;
        load.length = self.length().max(Duration::from_secs(4));
        load.events = usize::try_from(EVENTS).unwrap();
        let seen = self.measure(&contenders, &load);
        let chunks = |seen: &[Seen]| {
            Spread::of(
                seen.iter()
                    .map(|seen| seen.delays.len() as f64 / seen.length.as_secs_f64()),
            )
        };
        let direct = chunks(&seen[0]).median;
        for (contender, seen) in contenders.iter().zip(&seen) {
            let delay = |percent| Spread::of(seen.iter().map(|s| quantile(&s.delays, percent)));
            let first = |percent| Spread::of(seen.iter().map(|s| quantile(&s.first, percent)));
            let rate = chunks(seen);
            let cpu = seen
                .iter()
                .map(|s| s.cpu.as_secs_f64() / s.length.as_secs_f64() * 100.0);
            figures::row(&[
                contender.name.to_owned(),
                rate.text(0),
                format!("{:.3}", rate.median / direct),
                delay(50).text(3),
                delay(99).text(2),
                first(50).text(2),
                first(99).text(2),
                format!("{:.0}", Spread::of(cpu).median),
                seen.iter()
                    .map(|seen| seen.unserved)
                    .sum::<usize>()
                    .to_string(),
                failures(seen),
            ]);
        }
        figures::head(&["with 200 open streams", "RSS, MiB", "PSS, MiB"]);
        for contender in contenders.iter().filter(|one| one.subject.is_some()) {
            let subject = contender.subject.as_ref().unwrap();
            let mut load = load.clone();
            load.address = subject.address;
            let at_the_end = Cell::new(Memory::default());
            load.run(|| {
                at_the_end.set(subject.memory());
                Duration::ZERO
            });
            let Memory { rss, pss } = at_the_end.get();
            figures::row(&[contender.name.to_owned(), mib(rss), mib(pss)]);
        }
    }

    /// An upstream that thinks.
    fn slow(&self) {
        self.upstream.answer_after(SLOW);
        let contenders = self.contenders();
        figures::head(&[
            "200 clients, answers after 2 s",
            "requests/s",
            "of ideal",
            "CPU, % of a core",
            "failed",
        ]);
        let request = Body::Small.request();
        let mut load = self.base(&request, WORKERS);
        load.warm_up = SLOW;
        load.length = SLOW * 2;
        let ideal = WORKERS as f64 / SLOW.as_secs_f64();
        for (contender, seen) in contenders.iter().zip(self.measure(&contenders, &load)) {
            let rate = rate(&seen);
            let cpu = seen
                .iter()
                .map(|s| s.cpu.as_secs_f64() / s.length.as_secs_f64() * 100.0);
            figures::row(&[
                contender.name.to_owned(),
                rate.text(1),
                format!("{:.3}", rate.median / ideal),
                format!("{:.0}", Spread::of(cpu).median),
                failures(&seen),
            ]);
        }
    }

    /// Far more clients than threads, in front of a fleet.
    fn queue(&self) {
        self.upstream.answer_after(LATENCY);
        let fleet = config(self.upstream.address, ACCOUNTS, "queue_size = 2000");
        let contenders = [Contender {
            name: "proxied",
            subject: Some(Subject::own(&fleet, true)),
        }];
        figures::head(&[
            "16 accounts, answers after 100 ms",
            "requests/s",
            "of that at 200",
            "p50, ms",
            "p99, ms",
            "failed",
        ]);
        let request = Body::Small.request();
        let mut base = None;
        for clients in CROWDS {
            let mut load = self.base(&request, clients);
            load.warm_up = WARM_UP * 2;
            let seen = self.measure(&contenders, &load).remove(0);
            let rate = rate(&seen);
            let base = *base.get_or_insert(rate.median);
            figures::row(&[
                format!("{clients} clients"),
                rate.text(0),
                format!("{:.3}", rate.median / base),
                latency(&seen, 50).text(1),
                latency(&seen, 99).text(1),
                failures(&seen),
            ]);
        }
    }

    fn footprint(&self) {
        figures::head(&[
            "idle",
            "PSS, MiB",
            "RSS, MiB",
            "start to ready, ms",
            "binary, bytes",
        ]);
        let config = self.plain_config();
        let binary = std::fs::metadata(env!("CARGO_BIN_EXE_ociai-proxy")).unwrap();
        let starts: Vec<Subject> = (0..STARTS).map(|_| Subject::own(&config, false)).collect();
        let memory: Vec<Memory> = starts.iter().map(Subject::memory).collect();
        let mib = |kib: u64| kib as f64 / 1024.0;
        figures::row(&[
            "proxied".to_owned(),
            // Alone: what several of them share counts for one as well.
            Spread::of([mib(Subject::own(&config, false).memory().pss)]).text(1),
            Spread::of(memory.iter().map(|memory| mib(memory.rss))).text(1),
            Spread::of(starts.iter().map(|start| ms(start.ready_after))).text(1),
            binary.len().to_string(),
        ]);
    }

    /// What must cost the same however much there is of it.
    fn growth(&self) {
        self.upstream.answer_after(Duration::ZERO);
        let request = Body::Small.request();
        figures::head(&["16 clients", "CPU-s/1,000", "of the first"]);
        let mut first = None;
        let mut tell = |name: &str, seen: &[Seen]| {
            let cpu = cpu_each(seen).median * 1000.0;
            let first = *first.get_or_insert(cpu);
            figures::row(&[
                name.to_owned(),
                format!("{cpu:.3}"),
                format!("{:.2}", cpu / first),
            ]);
        };
        for accounts in [1, 8, MANY_ACCOUNTS] {
            let config = config(self.upstream.address, accounts, "");
            let contenders = [Contender {
                name: "proxied",
                subject: Some(Subject::own(&config, accounts > 1)),
            }];
            let load = self.base(&request, 16);
            tell(
                &format!("{accounts} accounts"),
                &self.measure(&contenders, &load)[0],
            );
            if accounts == 1 {
                let mut served = 0;
                while served < 10_000 {
                    served += load_of(&load, &contenders[0]).done;
                }
                tell(
                    "1 account, after 10,000 requests",
                    &self.measure(&contenders, &load)[0],
                );
            }
        }
        critical_section();
        if self.options.million {
            self.million(&request);
        }
    }

    fn million(&self, request: &[u8]) {
        figures::head(&["requests served", "RSS, MiB", "PSS, MiB"]);
        let contender = Contender {
            name: "proxied",
            subject: Some(Subject::own(&self.plain_config(), false)),
        };
        let mut load = self.base(request, 64);
        load.length = Duration::from_secs(10);
        let (mut served, mut told) = (0, 0);
        while served < 1_000_000 {
            served += load_of(&load, &contender).done;
            if served / 100_000 > told || served < 100_000 {
                told = served / 100_000;
                let memory = contender.subject.as_ref().unwrap().memory();
                figures::row(&[served.to_string(), mib(memory.rss), mib(memory.pss)]);
            }
        }
    }
}

fn load_of(load: &Load<'_>, contender: &Contender) -> Seen {
    let mut load = load.clone();
    load.address = contender.subject.as_ref().unwrap().address;
    load.run(|| Duration::ZERO)
}

/// The lock that all requests share: nanoseconds of a request's turn, by one thread, and by as many as there are workers.
fn critical_section() {
    const ROUNDS: u32 = 200_000;
    figures::head(&["64 accounts, 200 requests in flight", "ns a request"]);
    let turns = Turns::new(64, 200);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        turns.turn();
    }
    let alone = begun.elapsed() / ROUNDS;
    figures::row(&["one thread".to_owned(), alone.as_nanos().to_string()]);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for _ in 0..ROUNDS / 200 {
                    turns.turn();
                }
            });
        }
    });
    let each = begun.elapsed() / ROUNDS;
    figures::row(&[
        "200 threads at once".to_owned(),
        each.as_nanos().to_string(),
    ]);
}

/// Requests a second.
pub(super) fn rate(seen: &[Seen]) -> Spread {
    Spread::of(
        seen.iter()
            .map(|seen| seen.done as f64 / seen.length.as_secs_f64()),
    )
}

/// In milliseconds.
pub(super) fn latency(seen: &[Seen], percent: usize) -> Spread {
    Spread::of(seen.iter().map(|seen| quantile(&seen.took, percent)))
}

/// Requests of those that all cores could do if each cost the ideal, and the CPU time of one against the ideal: each repetition by
/// the ideal, in seconds, that was measured just before it.
fn of_ideal(seen: &[Seen], ideals: &[f64]) -> (Spread, Spread) {
    let each = || seen.iter().zip(ideals);
    let share = |(seen, ideal): (&Seen, &f64)| {
        seen.done as f64 / seen.length.as_secs_f64() * ideal / cores()
    };
    let cost =
        |(seen, ideal): (&Seen, &f64)| seen.cpu.as_secs_f64() / seen.done.max(1) as f64 / ideal;
    (Spread::of(each().map(share)), Spread::of(each().map(cost)))
}

/// CPU seconds a request.
pub(super) fn cpu_each(seen: &[Seen]) -> Spread {
    Spread::of(
        seen.iter()
            .map(|seen| seen.cpu.as_secs_f64() / seen.done.max(1) as f64),
    )
}

pub(super) fn failures(seen: &[Seen]) -> String {
    if let Some(why) = seen.iter().find_map(|seen| seen.why.as_ref()) {
        println!("a failure: {why}");
    }
    seen.iter()
        .map(|seen| seen.failed)
        .sum::<usize>()
        .to_string()
}

fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}
