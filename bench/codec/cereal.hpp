#pragma once

#include <codec/forms.hpp>
#include <codec/visit.hpp>

#include <sstream>

#include <cereal/archives/binary.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

namespace bench {

template <class Archive, class T>
  requires visited<T>
void serialize(Archive& archive, T& it) {
  visit(it, [&](auto&... member) { archive(member...); });
}

/// cereal's binary archive: fast, and no field can be added.
struct Cereal : TextForm {
  static constexpr const char* name = "cereal binary";

  template <class T>
  static void encode(const T& from, Bytes& to) {
    std::ostringstream out;
    cereal::BinaryOutputArchive archive(out);
    archive(from);
    to = std::move(out).str();
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    std::istringstream in(from);
    cereal::BinaryInputArchive archive(in);
    archive(to);
  }
};

}  // namespace bench
