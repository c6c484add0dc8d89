#include "runtime/fabric_record.hpp"

#include <algorithm>
#include <utility>

namespace etherloom {
namespace {

/// The port of a fabric that has just one.
Attachment* onlyPort(const FabricVersion& version) {
  Attachment* only = nullptr;
  for (Attachment* port : version.ports) {
    if (!port) continue;
    if (only) return nullptr;
    only = port;
  }
  return only;
}

/// A row without its entry for this port.
std::shared_ptr<const Row> without(const std::shared_ptr<const Row>& row, const Attachment& port) {
  if (!row) return row;
  const auto entry = std::find_if(row->entries.begin(), row->entries.end(),
                                  [&](const RowEntry& each) { return each.to == &port; });
  if (entry == row->entries.end()) return row;
  auto shorter = std::make_shared<Row>(*row);
  const auto index = entry - row->entries.begin();
  shorter->entries.erase(shorter->entries.begin() + index);
  shorter->policies.erase(shorter->policies.begin() + index);
  return shorter;
}

}  // namespace

FabricRecord::FabricRecord(std::uint32_t id, std::string name, std::uint16_t home,
                           std::unique_ptr<Fabric> fabric, bool forwarding) {
  shared.id = id;
  shared.name = std::move(name);
  shared.home = home;
  shared.fabric = std::move(fabric);
  auto first = std::make_unique<FabricVersion>();
  first->fabric = shared.fabric.get();
  first->forwarding = forwarding;
  publish(std::move(first));
}

std::shared_ptr<const FabricVersion> FabricRecord::publish(std::unique_ptr<const FabricVersion> next) {
  auto before = std::exchange(version_, std::move(next));
  shared.version.store(version_.get(), std::memory_order_release);
  return before;
}

// ---- ports ----

FabricRecord::Ports FabricRecord::join(Attachment& port, const PortSettings& settings) {
  Ports ports;
  ports.next = std::make_unique<FabricVersion>(*version_);
  FabricVersion& next = *ports.next;
  if (freeSeats_.empty()) {
    freeSeats_.push_back(Seat{static_cast<std::uint32_t>(next.ports.size())});
    next.ports.push_back(nullptr);
    next.rows.push_back(nullptr);
  }
  port.fabric = &shared;
  port.seat = freeSeats_.back();
  freeSeats_.pop_back();
  if (!settings.group.empty()) {
    const auto number = static_cast<std::uint32_t>(groupNumbers_.size() + 1);
    port.group = groupNumbers_.try_emplace(settings.group, number).first->second;
    groupSizes_.resize(groupNumbers_.size() + 1);
    ++groupSizes_[port.group];
  }
  if (settings.vlans || next.hasVlans()) next.vlans.resize(next.ports.size());
  if (settings.vlans) next.vlans[static_cast<std::size_t>(port.seat)] = settings.vlans;
  ports.notAlone = onlyPort(next);
  next.ports[static_cast<std::size_t>(port.seat)] = &port;
  survey(ports);
  return ports;
}

FabricRecord::Ports FabricRecord::leave(const Attachment& port) {
  Ports ports;
  ports.next = std::make_unique<FabricVersion>(*version_);
  const auto at = static_cast<std::size_t>(port.seat);
  ports.next->ports[at] = nullptr;
  ports.next->rows[at] = nullptr;
  for (auto& row : ports.next->rows) row = without(row, port);
  if (port.group != 0) --groupSizes_[port.group];
  auto& vlans = ports.next->vlans;
  if (!vlans.empty()) vlans[at].reset();
  if (std::none_of(vlans.begin(), vlans.end(), [](const auto& told) { return told != nullptr; }))
    vlans.clear();
  survey(ports);
  return ports;
}

std::optional<FabricRecord::Ports> FabricRecord::move(const Attachment& port,
                                                      std::shared_ptr<const PortVlans> vlans) const {
  Ports ports;
  ports.next = std::make_unique<FabricVersion>(*version_);
  ports.next->vlans.resize(ports.next->ports.size());
  auto& told = ports.next->vlans[static_cast<std::size_t>(port.seat)];
  if (told && *told == *vlans) return {};
  told = std::move(vlans);
  survey(ports);
  return ports;
}

/// Works out what follows from who is there.
void FabricRecord::survey(Ports& ports) const {
  FabricVersion& version = *ports.next;
  ports.alone = onlyPort(version);
  ports.otherVlans = version.hasVlans() != version_->hasVlans();
  version.reach.reset();
  if (std::all_of(groupSizes_.begin(), groupSizes_.end(), [](std::uint32_t size) { return size == 0; }))
    return;
  auto reach = std::make_shared<GroupReach>(groupSizes_.size());
  for (std::uint32_t group = 1; group < groupSizes_.size(); ++group) {
    if (groupSizes_[group] == 0) continue;
    for (Attachment* port : version.ports) {
      if (port && port->group != group) (*reach)[group].push_back(port);
    }
  }
  version.reach = std::move(reach);
}

// ---- policies ----

// The changes, in the order of their pairs, are merged with the rows that they touch, which are in that
// order: each row is walked once, and a pair that has a path already brings it along.
FabricRecord::Policies FabricRecord::change(std::vector<PairChange> changes, std::uint64_t& number,
                                            Instant now, const PathOf& pathOf) const {
  const auto seats = [](const PairChange& each) { return std::pair(each.from->seat, each.to->seat); };
  std::ranges::stable_sort(changes, {}, seats);
  Policies policies;
  policies.next = std::make_unique<FabricVersion>(*version_);
  policies.entries.reserve(changes.size());
  const Row none;
  for (auto at = changes.cbegin(); at != changes.cend();) {
    Attachment& from = *at->from;
    std::shared_ptr<const Row>& place = policies.next->rows[static_cast<std::size_t>(from.seat)];
    const Row& old = place ? *place : none;
    const auto end = std::find_if(at, changes.cend(), [&](const auto& each) { return each.from != &from; });
    auto row = std::make_shared<Row>();
    row->reserve(std::max(old.entries.size() + 1, static_cast<std::size_t>(end - at)));
    std::size_t kept = 0;
    const auto keepBefore = [&](Seat seat) {
      for (; kept < old.entries.size() && old.entries[kept].to->seat < seat; ++kept)
        row->push(old.entries[kept], old.policies[kept]);
    };
    while (at != end) {
      Attachment& to = *at->to;
      keepBefore(to.seat);
      RowEntry entry{&to, nullptr, nullptr, 0, now};
      // By address: who keeps a policy is counted once for each entry, and that costs most of this loop.
      static const std::shared_ptr<const Policy> noPolicy;
      const std::shared_ptr<const Policy>* policy = &noPolicy;
      if (kept < old.entries.size() && old.entries[kept].to == &to) {
        entry = old.entries[kept];
        policy = &old.policies[kept++];
      }
      const bool byDefault = policies.next->forwards(from, to);
      const std::uint64_t before = number;
      for (; at != end && at->to == &to; ++at) {
        // A pair that lost its policy keeps its path where frames pass by default: none overtakes what is
        // under way.
        const auto& wanted = !at->asked->policy && *policy && byDefault ? Policy::none() : at->asked->policy;
        if (wanted == *policy) continue;
        const bool passed = *policy ? (*policy)->allowed : byDefault;
        const bool passes = wanted ? wanted->allowed : byDefault;
        ++(passed == passes ? policies.pairs.changed : passes ? policies.pairs.up : policies.pairs.down);
        entry.path = &pathOf(*at, entry.path);
        policy = &wanted;
        ++number;
      }
      if (number != before) {
        const Policy* const last = entry.policy;
        entry = {&to, entry.path, *policy ? policy->get() : Policy::none().get(), number, now};
        if (!last || last->needsMore(*entry.policy)) entry.path->prepare(*entry.policy);
        policies.entries.push_back(entry);
      }
      if (*policy) row->push(entry, *policy);
    }
    keepBefore(Seat{~std::uint32_t{0}});
    place = row->entries.empty() ? nullptr : std::move(row);
  }
  return policies;
}

}  // namespace etherloom
