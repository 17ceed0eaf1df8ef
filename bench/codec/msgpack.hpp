#pragma once

#include <codec/forms.hpp>
#include <codec/visit.hpp>

#include <string_view>

#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

// msgpack-cxx with maps, so that fields can be added: names go with every value.

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <class T>
    requires bench::visited<T>
  struct pack<T> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out, const T& it) const {
      out.pack_map(static_cast<std::uint32_t>(bench::names_of<T>().size()));
      std::size_t at = 0;
      bench::visit(it, [&](const auto&... member) {
        const auto key = [&](std::string_view name) {
          out.pack_str(static_cast<std::uint32_t>(name.size()));
          out.pack_str_body(name.data(), static_cast<std::uint32_t>(name.size()));
        };
        ((key(bench::names_of<T>()[at++]), out.pack(member)), ...);
      });
      return out;
    }
  };
  template <class T>
    requires bench::visited<T>
  struct convert<T> {
    const msgpack::object& operator()(const msgpack::object& from, T& it) const {
      if (from.type != type::MAP) throw type_error();
      for (std::uint32_t i = 0; i < from.via.map.size; ++i) {
        const auto& [key, value] = from.via.map.ptr[i];
        const std::string_view name(key.via.str.ptr, key.via.str.size);
        std::size_t at = 0;
        bench::visit(it, [&, &found = value](auto&... member) {
          const auto one = [&](auto& each) {
            if (bench::names_of<T>()[at++] == name) found.convert(each);
          };
          (one(member), ...);
        });
      }
      return from;
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack

namespace bench {

struct MsgPack {
  using Bytes = msgpack::sbuffer;
  static constexpr const char* name = "msgpack-cxx map";

  template <class T>
  static void encode(const T& from, Bytes& to) {
    to.clear();
    msgpack::pack(to, from);
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    msgpack::unpack(from.data(), from.size()).get().convert(to);
  }
};

}  // namespace bench
