// keepmum.hpp from a C++ program's side: owners, openings, errors, and containers whose memory is a secret's.
#include <keepmum.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

static unsigned n_passed;

static void expect(bool is_so, const char *what)
{
        if (!is_so) {
                std::fprintf(stderr, "not so: %s\n", what);
                std::exit(1);
        }
        n_passed++;
}

static unsigned long live()
{
        uint64_t values[KEEPMUM_STAT_SECRETS + 1];

        keepmum::check(keepmum_stats(values, KEEPMUM_STAT_SECRETS + 1));
        return values[KEEPMUM_STAT_SECRETS];
}

static void owners()
{
        static_assert(!std::is_copy_constructible_v<keepmum::secret> && std::is_nothrow_move_constructible_v<keepmum::secret>);
        char bytes[] = "taken and wiped";
        keepmum::secret a = keepmum::secret::take(bytes, sizeof bytes), b = std::move(a), c = b.clone();

        expect(bytes[0] == 0 && bytes[sizeof bytes - 2] == 0, "take() wipes the source");
        expect(!a && b && b.size() == sizeof bytes && b.equals(c), "a move empties, a clone is equal");
        keepmum::writing{c}[0] = 'T';
        expect(!b.equals(c) && keepmum::reading{b}[0] == 't', "a clone that is written is another");
        c = keepmum::secret::random(32);
        c.resize(48);
        expect(c.size() == 48 && keepmum::reading{c}[47] == 0, "resize() keeps and adds zero");
        expect((b.state() & (KEEPMUM_IS_LOCKED | KEEPMUM_IS_GUARDED)) == (KEEPMUM_IS_LOCKED | KEEPMUM_IS_GUARDED), "locked and guarded");
        expect(live() == 2, "what was assigned over is destroyed");
}

static void couriers()
{
        keepmum::secret s(24, KEEPMUM_ACCEPT_UNLOCKED);

        keepmum::writing{s}[23] = 9;
        int fd = s.share();
        keepmum::secret got = keepmum::secret::receive(fd, KEEPMUM_EXACT_END);
        expect(got.equals(s) && keepmum::reading{got}[23] == 9, "receive() has what share() gave");
        try {
                got = keepmum::secret::receive(fd);
                expect(false, "a courier that was received");
        } catch (const keepmum::error &e) {
                expect(e.code() == KEEPMUM_ENOTCOURIER && got.equals(s), "the descriptor is closed");
        }
}

static void openings()
{
        keepmum::secret s(16);

        try {
                keepmum::reading first(s), second(s);
                keepmum::writing third(s);
                expect(false, "writing while it is read");
        } catch (const keepmum::error &e) {
                expect(e.code() == KEEPMUM_EBUSY && std::strcmp(e.what(), keepmum_error_text(KEEPMUM_EBUSY)) == 0, "an error has code and words");
        }
        expect((s.state() & KEEPMUM_IS_OPEN) == 0, "an exception closed both");
        {
                keepmum::writing bytes(s);
                for (unsigned char &b : bytes)
                        b = 7;
        }
        unsigned sum = 0;
        for (unsigned char b : keepmum::reading(s))
                sum += b;
        expect(sum == 7 * 16, "ranges");
        try {
                keepmum::secret none(0);
                expect(false, "a secret of no bytes");
        } catch (const keepmum::error &e) {
                expect(e.code() == KEEPMUM_EINVAL, "a constructor that fails throws");
        }
}

static void containers()
{
        using text = std::basic_string<char, std::char_traits<char>, keepmum::allocator<char>>;
        {
                std::vector<int, keepmum::allocator<int>> v;

                for (int i = 0; i < 5000; i++)
                        v.push_back(i);
                expect(v[4999] == 4999 && live() == 1, "a vector grows, and gives back what it grew out of");
                text t;
                t.reserve(64);
                t += "a passphrase that is put together";
                expect(t.size() == 33 && live() == 2, "a string");
        }
        expect(live() == 0, "containers give all of it back");
        try {
                (void)keepmum::allocator<char>().allocate(KEEPMUM_MAX_BYTES);
                expect(false, "more than the largest secret");
        } catch (const std::bad_alloc &) {
                expect(true, "bad_alloc");
        }
}

static void the_end()
{
        std::vector<char, keepmum::allocator<char>> v(100, 'v');
        keepmum::secret s(16);
        keepmum::reading bytes(s);

        keepmum_wipe_all();
        expect(std::memcmp(v.data(), "vvvvvvvv", 8) != 0, "what a container had is noise");
} // and all of them end without a word

int main()
{
        owners();
        openings();
        couriers();
        expect(live() == 0, "nothing is left");
        containers();
        the_end();
        std::printf("%u\n", n_passed);
}
