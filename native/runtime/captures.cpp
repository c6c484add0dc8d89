#include "runtime/captures.hpp"

#include <algorithm>

namespace etherloom {

Result<CaptureId> Captures::start(CaptureSettings settings, Output output,
                                  const std::vector<CaptureTarget>& targets, std::size_t workers) {
  for (const CaptureTarget& target : targets) {
    if (!find_(target.from, target.to)) return Error{ENOENT, "", "the path has no policy to record under"};
  }
  settings.patient = clock_.isVirtual();
  if (!clock_.isVirtual()) settings.clockOrigin = timeOfDayOrigin_;
  std::vector<pcapng::Interface> interfaces;
  interfaces.reserve(targets.size());
  for (const CaptureTarget& target : targets) interfaces.push_back(target.interface);
  auto made = Capture::create(settings, std::move(output), interfaces, workers, clock_.now());
  if (!made) return made.error();
  const std::shared_ptr<Capture> capture = std::move(*made);
  if (!clock_.isVirtual()) {
    const auto writing = unlessShort("cannot start the thread that writes captures", [&]() -> Result<void> {
      if (!writer_) writer_ = std::make_unique<CaptureWriter>(clock_, wake_);
      return {};
    });
    if (!writing) return writing.error();
    writer_->add(capture);
  }
  const CaptureId id{next_++};
  captures_.emplace(id, capture);
  OldListeners old;
  for (std::uint32_t index = 0; index < targets.size(); ++index) {
    const auto& [from, to, kind, interface] = targets[index];
    entries_.push_back({id, from, to, {capture.get(), index, kind}});
    hang(from, to, old);
  }
  graces_.fence([old = std::move(old)] {});
  return id;
}

Ticket Captures::end(CaptureId id) {
  std::vector<Entry> leaving;
  std::erase_if(entries_, [&](const Entry& entry) {
    if (entry.capture != id) return false;
    leaving.push_back(entry);
    return true;
  });
  OldListeners old;
  for (const Entry& entry : leaving) hang(entry.from, entry.to, old);
  return graces_.fence([this, old = std::move(old), capture = captures_.at(id)] {
    if (writer_) return writer_->finish(*capture);
    capture->finish(clock_.now());
  });
}

void Captures::forget(CaptureId id) {
  if (at(id).state() != Capture::State::Running &&
      std::none_of(entries_.begin(), entries_.end(),
                   [id](const Entry& entry) { return entry.capture == id; }))
    captures_.erase(id);
}

void Captures::hang(PortId from, std::optional<PortId> to, OldListeners& old) {
  auto listeners = std::make_shared<Listeners>();
  for (const Entry& entry : entries_) {
    if (entry.from == from && entry.to == to) listeners->push_back(entry.listener);
  }
  Place* const place = find_(from, to);
  if (!place) return;
  place->store(listeners->empty() ? nullptr : listeners.get(), std::memory_order_release);
  old.push_back(std::exchange(hanging_[{from, to}], std::move(listeners)));
}

void Captures::forgetPort(PortId port) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.from == port || entry.to == port; });
  std::erase_if(hanging_,
                [&](const auto& entry) { return entry.first.first == port || entry.first.second == port; });
}

void Captures::pump() {
  for (const auto& [id, capture] : captures_) static_cast<void>(capture->pump());
}

void Captures::close() {
  writer_.reset();
  for (const auto& [id, capture] : captures_) capture->finish(clock_.now());
}

}  // namespace etherloom
