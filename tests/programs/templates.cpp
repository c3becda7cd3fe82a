// Work for a C++ compiler: recursive templates, the standard library's heaviest headers, and something to run.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

template <unsigned N> struct fibonacci {
        static constexpr unsigned long value = fibonacci<N - 1>::value + fibonacci<N - 2>::value;
};
template <> struct fibonacci<1> { static constexpr unsigned long value = 1; };
template <> struct fibonacci<0> { static constexpr unsigned long value = 0; };

template <unsigned M, unsigned N> struct ackermann {
        static constexpr unsigned value = ackermann<M - 1, ackermann<M, N - 1>::value>::value;
};
template <unsigned N> struct ackermann<0, N> { static constexpr unsigned value = N + 1; };
template <unsigned M> struct ackermann<M, 0> { static constexpr unsigned value = ackermann<M - 1, 1>::value; };

template <std::size_t... I> constexpr auto squares(std::index_sequence<I...>)
{
        return std::make_tuple((I * I)...);
}

template <typename T> struct shape {
        T size;
        template <typename F> auto map(F f) const { return shape<decltype(f(size))>{f(size)}; }
};

using value = std::variant<int, double, std::string, std::vector<int>>;

static std::string say(const value &v)
{
        return std::visit(
                [](const auto &held) -> std::string {
                        using held_type = std::decay_t<decltype(held)>;
                        if constexpr (std::is_arithmetic_v<held_type>)
                                return std::to_string(held);
                        else if constexpr (std::is_same_v<held_type, std::string>)
                                return held;
                        else
                                return std::to_string(std::accumulate(held.begin(), held.end(), 0));
                },
                v);
}

int main()
{
#ifdef MISTAKE
        std::map<std::unique_ptr<int>, std::function<void(int, std::string)>> wrong = {{1, "2"}};
        std::sort(wrong.begin(), wrong.end());
#endif
        constexpr auto table = squares(std::make_index_sequence<120>{});
        std::map<std::string, std::vector<std::shared_ptr<value>>> tree;
        std::unordered_map<int, std::function<std::string(int)>> functions;

        std::cout << fibonacci<80>::value << ' ' << ackermann<2, 60>::value << ' ' << std::get<119>(table) << '\n';
        for (int i = 0; i < 5000; i++)
                tree["key " + std::to_string(i % 97)].push_back(std::make_shared<value>(
                        i % 4 == 0 ? value(i) : i % 4 == 1 ? value(i / 2.0) : i % 4 == 2 ? value(std::to_string(i)) : value(std::vector<int>(i % 50, i))));
        std::size_t total = 0;
        for (const auto &[key, values] : tree)
                for (const auto &v : values)
                        total += key.size() * say(*v).size();
        for (int i = 0; i < 100; i++)
                functions[i] = [i](int n) { return std::string(static_cast<std::size_t>(n % 30), static_cast<char>('a' + i % 26)); };
        std::string text;
        for (int i = 0; i < 300; i++)
                text += functions[i % 100](i) + ' ';
        std::cout << total << ' ' << std::regex_replace(text, std::regex("([a-m]+) ([n-z]+)"), "$2-$1").size() << ' '
                  << shape<int>{7}.map([](int n) { return n * 1.5; }).map([](double d) { return std::to_string(d); }).size << '\n';
        return 0;
}
