// W1 on SimGrid S4U: a camera, a processor and two receivers for each endpoint, and the workers of
// the node, all of them actors.
//
// Computing is `execute` on hosts of speed 1 (one flop is one second). Transfers are native
// communications over one link each way, with the model CM02 and without the limits of TCP, so that
// a transfer takes size / bandwidth + latency. What differs from the other peers: two transfers at
// once share a link instead of queueing (a link is busy 0.6 % of the time, and the mean of M/M/1 is
// the same), and sizes are whole bytes (80 ns).
#include <simgrid/s4u.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace sg = simgrid::s4u;

static const double LATENCY_S = 0.010, BANDWIDTH_BYTE_S = 12.5e6;

// Log-linear counts, 64 buckets per octave from 2^-30 s on.
class Histogram {
  static constexpr uint64_t FIRST = (1023 - 30) << 6, BUCKETS = 40 << 6;
  std::array<uint32_t, BUCKETS> counts{};
  double sum = 0;

  static double edge(uint64_t bucket) { return std::bit_cast<double>((bucket + FIRST) << 46); }

public:
  uint64_t n = 0;

  void add(double x) {
    uint64_t bits = std::bit_cast<uint64_t>(std::max(x, 0.0)) >> 46;
    counts[bits < FIRST ? 0 : std::min(bits - FIRST, BUCKETS - 1)]++;
    n++;
    sum += x;
  }

  double mean() const { return sum / n; }

  // Interpolated within its bucket.
  double quantile(double p) const {
    uint64_t target = std::ceil(p * n), below = 0;
    for (uint64_t bucket = 0; bucket < BUCKETS; bucket++) {
      if (counts[bucket] > 0 && below + counts[bucket] >= target)
        return edge(bucket) + (edge(bucket + 1) - edge(bucket)) * (target - below) / counts[bucket];
      below += counts[bucket];
    }
    return NAN;
  }
};

struct Request {
  int endpoint;
  double emitted, prepared, arrived, started, processed;
};

static std::mt19937_64 chance;
static bool is_exponential;
static double until_s, process_s;
static Histogram prepares, uplinks, queues, processes, downlinks, totals;
static std::deque<Request*> queue;
static sg::SemaphorePtr queued;
static std::vector<sg::Mailbox*> up, down; // by endpoint

static double exponential(double mean_s) { return std::exponential_distribution<double>(1 / mean_s)(chance); }
static double lognormal(double mean_s, double cv) {
  double variance = std::log(1 + cv * cv);
  return std::lognormal_distribution<double>(std::log(mean_s) - variance / 2, std::sqrt(variance))(chance);
}
static double prepare() { return is_exponential ? exponential(0.020) : lognormal(0.020, 0.25); }
static double uplink() { return is_exponential ? exponential(0.0016) : 0.0016; }
static double process() { return is_exponential ? exponential(process_s) : lognormal(process_s, 0.5); }
static double downlink() { return is_exponential ? exponential(0.00008) : 0.00008; }
static uint64_t bytes(double seconds) { return std::llround(seconds * BANDWIDTH_BYTE_S); }

static void camera(int endpoint, std::deque<Request*>* frames, sg::SemaphorePtr ready) {
  for (;;) {
    sg::this_actor::sleep_for(exponential(0.25));
    double now = sg::Engine::get_clock();
    if (now >= until_s)
      break;
    frames->push_back(new Request{endpoint, now, 0, 0, 0, 0});
    ready->release();
  }
  sg::this_actor::sleep_for(5); // the other actors are daemons: let the last requests come back
}

static void processor(int endpoint, std::deque<Request*>* frames, sg::SemaphorePtr ready) {
  for (;;) {
    ready->acquire();
    Request* request = frames->front();
    frames->pop_front();
    sg::this_actor::execute(prepare());
    request->prepared = sg::Engine::get_clock();
    up[endpoint]->put_init(request, bytes(uplink()))->detach();
  }
}

static void receiver(int endpoint) {
  up[endpoint]->set_receiver(sg::Actor::self());
  for (;;) {
    auto* request = up[endpoint]->get<Request>();
    request->arrived = sg::Engine::get_clock();
    queue.push_back(request);
    queued->release();
  }
}

static void worker() {
  for (;;) {
    queued->acquire();
    Request* request = queue.front();
    queue.pop_front();
    request->started = sg::Engine::get_clock();
    sg::this_actor::execute(process());
    request->processed = sg::Engine::get_clock();
    down[request->endpoint]->put_init(request, bytes(downlink()))->detach();
  }
}

static void sink(int endpoint) {
  down[endpoint]->set_receiver(sg::Actor::self());
  for (;;) {
    auto* request = down[endpoint]->get<Request>();
    double now = sg::Engine::get_clock();
    prepares.add(request->prepared - request->emitted);
    uplinks.add(request->arrived - request->prepared);
    queues.add(request->started - request->arrived);
    processes.add(request->processed - request->started);
    downlinks.add(now - request->processed);
    totals.add(now - request->emitted);
    delete request;
  }
}

int main(int argc, char** argv) {
  std::string variant = argc > 1 ? argv[1] : "";
  if (argc < 3 || argc > 5 || (variant != "exponential" && variant != "realistic")) {
    std::fprintf(stderr, "usage: w1_simgrid <exponential|realistic> <simulated seconds> [endpoints] [seed]\n");
    return 2;
  }
  is_exponential = variant == "exponential";
  until_s = std::atof(argv[2]);
  int endpoints = argc > 3 ? std::atoi(argv[3]) : 100, servers = std::max(1, endpoints * 4 / 100);
  chance.seed(argc > 4 ? std::atoll(argv[4]) : 1);
  process_s = 0.8 * servers / (4 * endpoints);

  int no_arguments = 1;
  sg::Engine engine(&no_arguments, argv);
  for (const char* option : {"network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0", "contexts/stack-size:16"})
    sg::Engine::set_config(option);

  auto* zone = sg::create_full_zone("zone");
  auto* node = zone->create_host("node", 1.0)->set_core_count(servers)->seal();
  std::vector<sg::Host*> hosts;
  for (int i = 0; i < endpoints; i++) {
    std::string number = std::to_string(i);
    auto* host = zone->create_host("endpoint" + number, 1.0)->seal();
    auto* out = zone->create_link("up" + number, BANDWIDTH_BYTE_S)->set_latency(LATENCY_S)->seal();
    auto* back = zone->create_link("down" + number, BANDWIDTH_BYTE_S)->set_latency(LATENCY_S)->seal();
    zone->add_route(host->get_netpoint(), node->get_netpoint(), nullptr, nullptr, {sg::LinkInRoute(out)}, false);
    zone->add_route(node->get_netpoint(), host->get_netpoint(), nullptr, nullptr, {sg::LinkInRoute(back)}, false);
    hosts.push_back(host);
    up.push_back(sg::Mailbox::by_name("up" + number));
    down.push_back(sg::Mailbox::by_name("down" + number));
  }
  zone->seal();

  queued = sg::Semaphore::create(0);
  for (int i = 0; i < servers; i++)
    sg::Actor::create("worker", node, worker)->daemonize();
  std::vector<std::deque<Request*>> frames(endpoints);
  for (int i = 0; i < endpoints; i++) {
    auto ready = sg::Semaphore::create(0);
    sg::Actor::create("camera", hosts[i], camera, i, &frames[i], ready);
    sg::Actor::create("processor", hosts[i], processor, i, &frames[i], ready)->daemonize();
    sg::Actor::create("receiver", node, receiver, i)->daemonize();
    sg::Actor::create("sink", hosts[i], sink, i)->daemonize();
  }
  engine.run();

  std::printf("requests=%zu wait_ms=%.4f p99_ms=%.3f total_ms=%.3f\n", static_cast<size_t>(totals.n), queues.mean() * 1e3,
              queues.quantile(0.99) * 1e3, totals.mean() * 1e3);
}
