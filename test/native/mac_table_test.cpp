// MacTable: what it knows, for how long, whom it forgets first, and what readers see while it is written.
#include "fabrics/mac_table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "impairments/random.hpp"

using namespace etherloom;

namespace {

constexpr Duration second{1'000'000'000};
constexpr Duration ageing{300'000'000'000};

constexpr Instant at(std::int64_t seconds) { return {seconds * second.nanoseconds}; }
constexpr AddressKey mac(std::uint64_t number, std::uint16_t vlan = 0) {
  return AddressKey::of(number, vlan);
}

std::optional<Seat> learn(MacTable& table, AddressKey address, std::uint32_t port, Instant when) {
  return table.learn({address, Seat{port}, when});
}

/// The port an address is known on; -1 if it is not.
int portOf(const MacTable& table, AddressKey address, Instant now) {
  const auto known = table.find(address, now);
  return known ? static_cast<int>(known->seat) : -1;
}

std::map<std::uint32_t, std::size_t> entriesPerPort(const MacTable& table, Instant now) {
  std::map<std::uint32_t, std::size_t> counts;
  for (const AddressRow& row : table.rows(now)) ++counts[static_cast<std::uint32_t>(row.seat)];
  return counts;
}

}  // namespace

TEST_CASE("an address is known on the port it was learned on, per VLAN") {
  MacTable table(16, ageing);
  CHECK(portOf(table, mac(1), at(0)) == -1);
  CHECK(learn(table, mac(1), 3, at(0)) == std::nullopt);
  CHECK(learn(table, mac(1, 7), 4, at(0)) == std::nullopt);
  CHECK(portOf(table, mac(1), at(1)) == 3);
  CHECK(portOf(table, mac(1, 7), at(1)) == 4);
  CHECK(portOf(table, mac(1, 8), at(1)) == -1);
  CHECK(portOf(table, mac(2), at(1)) == -1);
}

TEST_CASE("an address is known until it is as old as the ageing time") {
  MacTable table(16, ageing);
  learn(table, mac(1), 3, at(0));
  const Instant last{ageing.nanoseconds - 1};
  CHECK(portOf(table, mac(1), last) == 3);
  CHECK(table.rows(last).size() == 1);
  CHECK(portOf(table, mac(1), at(300)) == -1);
  CHECK(table.rows(at(300)).empty());

  learn(table, mac(1), 3, at(299));
  CHECK(portOf(table, mac(1), at(598)) == 3);
  CHECK(table.find(mac(1), at(598))->refreshed == at(299));
}

TEST_CASE("a move is followed and told, unless the address had expired") {
  MacTable table(16, ageing);
  learn(table, mac(1), 3, at(0));
  CHECK(learn(table, mac(1), 3, at(1)) == std::nullopt);
  CHECK(learn(table, mac(1), 4, at(2)) == Seat{3});
  CHECK(portOf(table, mac(1), at(2)) == 4);
  CHECK(learn(table, mac(1), 5, at(302)) == std::nullopt);
  CHECK(portOf(table, mac(1), at(302)) == 5);
}

TEST_CASE("forgetting a port removes its addresses, those that moved there too, and no others") {
  MacTable table(16, ageing);
  for (std::uint64_t number = 0; number < 10; ++number) learn(table, mac(number), number % 2, at(0));
  learn(table, mac(1), 0, at(1));
  learn(table, mac(0), 1, at(1));
  table.forget(Seat{1});
  table.forget(Seat{9});  // never seen
  for (std::uint64_t number = 0; number < 10; ++number) {
    CHECK(portOf(table, mac(number), at(1)) == (number == 1 || (number % 2 == 0 && number != 0) ? 0 : -1));
  }
  learn(table, mac(3), 1, at(2));
  CHECK(portOf(table, mac(3), at(2)) == 1);
}

TEST_CASE("rows are ordered and tell the age") {
  MacTable table(16, ageing);
  learn(table, mac(1, 2), 5, at(1));
  learn(table, mac(9), 6, at(2));
  learn(table, mac(3), 7, at(3));
  const std::vector<AddressRow> rows = table.rows(at(10));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].address == mac(3));
  CHECK(rows[1].address == mac(9));
  CHECK(rows[2].address == mac(1, 2));
  CHECK(rows[2].seat == Seat{5});
  CHECK(rows[2].age == Duration{9 * second.nanoseconds});
}

TEST_CASE("a port that floods the table with addresses evicts its own and leaves the others theirs") {
  constexpr std::uint32_t size = 64;
  MacTable table(size, ageing);
  for (std::uint64_t number = 0; number < 10; ++number) learn(table, mac(number), 1, at(0));
  for (std::uint64_t number = 0; number < 5; ++number) learn(table, mac(100 + number), 2, at(0));
  for (std::uint64_t number = 1000; number < 3000; ++number) learn(table, mac(number), 3, at(1));

  CHECK(entriesPerPort(table, at(1)) ==
        std::map<std::uint32_t, std::size_t>{{1, 10}, {2, 5}, {3, size - 15}});
  CHECK(portOf(table, mac(2999), at(1)) == 3);  // of the flood, the latest are known
  CHECK(portOf(table, mac(3000 - (size - 15)), at(1)) == 3);
  CHECK(portOf(table, mac(3000 - (size - 15) - 1), at(1)) == -1);

  CHECK(learn(table, mac(500), 4, at(2)) == std::nullopt);  // a newcomer finds room
  CHECK(portOf(table, mac(500), at(2)) == 4);
  CHECK(entriesPerPort(table, at(2))[3] == size - 16);
}

TEST_CASE("two ports that flood share the table evenly") {
  MacTable table(65, ageing);
  for (std::uint64_t number = 0; number < 60; ++number) learn(table, mac(number), 1, at(0));
  for (std::uint64_t number = 100; number < 300; ++number) learn(table, mac(number), 2, at(1));
  const auto counts = entriesPerPort(table, at(1));
  CHECK(counts.at(1) + counts.at(2) == 65);
  CHECK(counts.at(1) >= 32);
  CHECK(counts.at(2) >= 32);
}

TEST_CASE("what has expired makes room before anything that is alive") {
  MacTable table(4, ageing);
  learn(table, mac(1), 1, at(0));
  for (std::uint64_t number = 2; number <= 4; ++number) learn(table, mac(number), 2, at(200));
  learn(table, mac(5), 2, at(301));  // port 2 has most, but the address of port 1 has expired
  for (std::uint64_t number = 2; number <= 5; ++number) CHECK(portOf(table, mac(number), at(301)) == 2);
}

TEST_CASE("refreshing an address saves it from eviction") {
  MacTable table(4, ageing);
  for (std::uint64_t number = 1; number <= 4; ++number) learn(table, mac(number), 1, at(0));
  learn(table, mac(1), 1, at(1));
  learn(table, mac(5), 1, at(2));
  CHECK(portOf(table, mac(1), at(2)) == 1);
  CHECK(portOf(table, mac(2), at(2)) == -1);
}

TEST_CASE("a table of one entry, and ports at and beyond the limit") {
  MacTable table(1, ageing);
  learn(table, mac(1), 0, at(0));
  learn(table, mac(2), MacTable::portLimit - 1, at(1));
  CHECK(portOf(table, mac(1), at(1)) == -1);
  CHECK(portOf(table, mac(2), at(1)) == MacTable::portLimit - 1);
  CHECK(learn(table, mac(2), MacTable::portLimit, at(2)) == std::nullopt);
  CHECK(portOf(table, mac(2), at(2)) == MacTable::portLimit - 1);
  table.forget(Seat{MacTable::portLimit});
}

TEST_CASE("against a simple model: random learning, moving, ageing and forgetting") {
  struct Known {
    std::uint32_t port;
    Instant refreshed;
    std::uint64_t order;  // of refreshment
  };
  constexpr std::size_t size = 24;
  MacTable table(size, ageing);
  std::map<std::uint64_t, Known> model;
  Random random(11);
  Instant now = at(0);

  for (std::uint64_t step = 0; step < 20'000; ++step) {
    now = now + Duration{static_cast<std::int64_t>(random.below(20)) * second.nanoseconds};
    const auto port = static_cast<std::uint32_t>(random.below(5));
    if (random.hit(0.01)) {
      table.forget(Seat{port});
      std::erase_if(model, [&](const auto& entry) { return entry.second.port == port; });
      continue;
    }
    // Port 0 shows many addresses, the others few.
    const std::uint64_t address = port == 0 ? 1000 + random.below(500) : random.below(30);
    const bool isNew = !model.contains(address);
    const bool full = model.size() == size;
    learn(table, mac(address), port, now);

    const auto oldest = std::min_element(model.begin(), model.end(), [](const auto& a, const auto& b) {
      return a.second.order < b.second.order;
    });
    if (isNew && oldest != model.end() && now - oldest->second.refreshed >= ageing) {
      model.erase(oldest);
    } else if (isNew && full) {
      // One entry must be gone: the oldest of a port with most entries, its own port if that is one of them.
      std::map<std::uint32_t, std::size_t> counts;
      std::map<std::uint32_t, std::uint64_t> oldestOf;
      for (const auto& [key, known] : model) {
        ++counts[known.port];
        auto& least = oldestOf.try_emplace(known.port, key).first->second;
        if (known.order < model.at(least).order) least = key;
      }
      std::size_t most = 0;
      for (const auto& [_, count] : counts) most = std::max(most, count);
      std::vector<std::uint64_t> gone;
      for (const auto& [key, known] : model) {
        if (!table.find(mac(key), now) && now - known.refreshed < ageing) gone.push_back(key);
      }
      REQUIRE(gone.size() == 1);
      const std::uint32_t victim = model.at(gone[0]).port;
      REQUIRE(counts[victim] == most);
      REQUIRE(gone[0] == oldestOf[victim]);
      if (counts[port] == most) REQUIRE(victim == port);
      model.erase(gone[0]);
    }
    model[address] = {port, now, step};

    std::size_t alive = 0;
    for (const auto& [key, known] : model) {
      const bool expected = now - known.refreshed < ageing;
      alive += expected;
      REQUIRE(portOf(table, mac(key), now) == (expected ? static_cast<int>(known.port) : -1));
    }
    REQUIRE(table.rows(now).size() == alive);
  }
}

TEST_CASE("readers beside the writer see whole entries, and always those that nothing touches") {
  // Every address n is only ever learned on port n % 8 at the instant n; a reader that sees anything else saw
  // a mixture. The table is small, so that entries are reused all the time. Port 100 has one address that is
  // never evicted.
  constexpr std::uint64_t addresses = 200;
  constexpr AddressKey still = mac(0xffff);
  MacTable table(32, {std::int64_t{1} << 60});
  learn(table, still, 100, {0});

  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  const auto read = [&](std::uint64_t seed) {
    Random random(seed);
    for (int round = 0; !done; ++round) {
      const std::uint64_t number = random.below(addresses);
      const auto known = table.find(mac(number), {0});
      if (known && (known->seat != Seat{static_cast<std::uint32_t>(number % 8)} ||
                    known->refreshed != Instant{static_cast<std::int64_t>(number)})) {
        ++wrong;
      }
      if (portOf(table, still, {0}) != 100) ++wrong;
      if (round % 64 != 0) continue;
      for (const AddressRow& row : table.rows({0})) {
        if (row.address != still && row.seat != Seat{static_cast<std::uint32_t>(row.address.value % 8)})
          ++wrong;
      }
    }
  };
  std::thread readers[]{std::thread(read, 1), std::thread(read, 2)};
  Random random(3);
  for (int step = 0; step < 200'000; ++step) {
    const std::uint64_t number = random.below(addresses);
    learn(table, mac(number), static_cast<std::uint32_t>(number % 8), {static_cast<std::int64_t>(number)});
    if (step % 1000 == 0) table.forget(Seat{static_cast<std::uint32_t>(random.below(8))});
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}
