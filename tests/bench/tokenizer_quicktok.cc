// SPDX-License-Identifier: Apache-2.0
// Times quicktok's own C++ library as tokenizer_speed.c times ours; tokenizer_peers.py builds it
// against the source distribution on PyPI.
//
//   tokenizer_quicktok DATA_DIRECTORY TEXTS first|steady
#include <quicktok.hpp>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

static double cpu() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

int main(int argc, char **argv) {
    if (argc < 4) return 64;
    std::ifstream in(argv[2], std::ios::binary);
    const std::string data((std::istreambuf_iterator<char>(in)), {});
    double start = cpu();
    const auto tokenizer = quicktok::Tokenizer::load_dir(argv[1], "qwen3");
    const double load = cpu() - start;
    std::vector<std::string_view> texts;
    for (size_t at = 0; at + 4 <= data.size();) {
        uint32_t n;
        std::memcpy(&n, data.data() + at, 4);
        texts.emplace_back(data.data() + at + 4, n);
        at += 4 + size_t(n);
    }
    const bool steady = std::strcmp(argv[3], "steady") == 0;
    double took[2];
    size_t bytes = 0, count = 0;
    std::vector<uint32_t> ids;
    for (size_t turn = 0; turn < 2; turn++) {
        bytes = count = 0;
        start = cpu();
        for (size_t i = steady ? turn : 0; i < texts.size(); i += steady ? 2 : 1) {
            ids.clear();
            tokenizer.encode(reinterpret_cast<const uint8_t *>(texts[i].data()), texts[i].size(),
                             ids);
            bytes += texts[i].size();
            count += ids.size();
        }
        took[turn] = cpu() - start;
    }
    std::printf("{\"bytes\":%zu,\"ids\":%zu,\"load_s\":%.5f,\"cold_s\":%.6f,\"warm_s\":%.6f}\n",
                bytes, count, load, took[0], took[1]);
}
