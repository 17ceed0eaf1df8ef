#pragma once

#include <codec/forms.hpp>
#include <codec/visit.hpp>

#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

namespace nlohmann {
template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& to, const std::optional<T>& from) {
    to = from ? json(*from) : json(nullptr);
  }
  static void from_json(const json& from, std::optional<T>& to) {
    if (from.is_null())
      to.reset();
    else
      to = from.get<T>();
  }
};
}  // namespace nlohmann

namespace bench {

template <class T>
  requires visited<T>
void to_json(nlohmann::json& to, const T& from) {
  std::size_t at = 0;
  visit(from,
        [&](const auto&... member) { ((to[std::string(names_of<T>()[at++])] = member), ...); });
}
template <class T>
  requires visited<T>
void from_json(const nlohmann::json& from, T& to) {
  std::size_t at = 0;
  visit(to, [&](auto&... member) {
    const auto one = [&](auto& each) {
      const auto found = from.find(names_of<T>()[at++]);
      if (found != from.end()) found->get_to(each);
    };
    (one(member), ...);
  });
}

struct NlohmannJson : TextForm {
  static constexpr const char* name = "nlohmann JSON";
  template <class T>
  static void encode(const T& from, Bytes& to) {
    to = nlohmann::json(from).dump();
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    nlohmann::json::parse(from).get_to(to);
  }
};
struct NlohmannCbor {
  using Bytes = std::vector<std::uint8_t>;
  static constexpr const char* name = "nlohmann CBOR";
  template <class T>
  static void encode(const T& from, Bytes& to) {
    to = nlohmann::json::to_cbor(nlohmann::json(from));
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    nlohmann::json::from_cbor(from).get_to(to);
  }
};

}  // namespace bench
