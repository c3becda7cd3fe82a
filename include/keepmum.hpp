/* keepmum.hpp: secrets in guarded memory, for C++17: a header over keepmum.h, nothing to link beside libkeepmum.
 *
 *      keepmum::secret key = keepmum::secret::random(32);
 *      {
 *              keepmum::reading bytes(key);            (open for as long as this stands)
 *              use(bytes.data(), bytes.size());
 *      }                                               (closed; an access faults)
 *
 *  - What the C functions return as an error is thrown as keepmum::error. Destructors do not throw.
 *  - A secret is owned by one object and moved, not copied; clone() makes another that shares the bytes until one is written.
 *  - An opening (reading, writing) closes when it leaves its scope, also by an exception. Its pointers must not be kept.
 *  - What a bug does ends the process, as in C: docs/misuse.md. Threads and fork: as in keepmum.h. */
#ifndef KEEPMUM_HPP
#define KEEPMUM_HPP

#include <keepmum.h>

#include <cstddef>
#include <new>
#include <stdexcept>
#include <utility>

namespace keepmum {

/** What a function of keepmum.h answered: code() is one of KEEPMUM_E..., what() its sentence. */
class error : public std::runtime_error {
public:
        explicit error(int code) : std::runtime_error(keepmum_error_text(code)), code_(code) {}
        int code() const noexcept { return code_; }

private:
        int code_;
};

/** Throws keepmum::error if the answer is one. */
inline void check(int answer)
{
        if (answer != 0)
                throw error(answer);
}

/** The owner of a secret; empty after a move from it and after a default construction. */
class secret {
public:
        secret() noexcept : handle_{0} {}
        /** n_bytes of zero, closed. flags: as for keepmum_create(). */
        explicit secret(std::size_t n_bytes, unsigned flags = 0) : handle_{0} { check(keepmum_create(&handle_, n_bytes, flags)); }
        /** Takes over a handle: of keepmum_prompt(), keepmum_read_fd(), ... */
        static secret adopt(keepmum_secret handle) noexcept
        {
                secret s;
                s.handle_ = handle;
                return s;
        }
        static secret random(std::size_t n_bytes, unsigned flags = 0)
        {
                secret s(n_bytes, flags);
                check(keepmum_fill_random(s.handle_));
                return s;
        }
        /** Copies the bytes in and wipes them where they were. */
        static secret take(void *bytes, std::size_t n_bytes, unsigned flags = 0)
        {
                secret s;
                check(keepmum_take(&s.handle_, bytes, n_bytes, flags));
                return s;
        }

        /** Takes what a courier of share() carries, also of another process, and closes the descriptor. */
        static secret receive(int fd, unsigned flags = 0)
        {
                secret s;
                check(keepmum_receive_fd(&s.handle_, fd, flags));
                return s;
        }

        secret(const secret &) = delete;
        secret &operator=(const secret &) = delete;
        secret(secret &&other) noexcept : handle_(other.release()) {}
        secret &operator=(secret &&other) noexcept
        {
                if (this != &other) {
                        keepmum_destroy(&handle_);
                        handle_ = other.release();
                }
                return *this;
        }
        ~secret() { keepmum_destroy(&handle_); }

        explicit operator bool() const noexcept { return handle_.bits != 0; }
        keepmum_secret get() const noexcept { return handle_; }
        /** Gives up ownership without destroying. */
        keepmum_secret release() noexcept { return std::exchange(handle_, keepmum_secret{0}); }

        std::size_t size() const
        {
                std::size_t n_bytes;
                check(keepmum_size(handle_, &n_bytes));
                return n_bytes;
        }
        void resize(std::size_t n_bytes) { check(keepmum_resize(handle_, n_bytes)); }
        secret clone() const
        {
                secret s;
                check(keepmum_clone(&s.handle_, handle_));
                return s;
        }
        /** A courier descriptor with the bytes, for another process: to be sent, then closed with close(2). */
        int share() const
        {
                int fd;
                check(keepmum_share_fd(handle_, &fd));
                return fd;
        }
        /** In constant time; different sizes are different. */
        bool equals(const secret &other) const
        {
                bool equal;
                check(keepmum_equal(handle_, other.handle_, &equal));
                return equal;
        }
        /** KEEPMUM_IS_... */
        unsigned state() const
        {
                unsigned promises;
                check(keepmum_state(handle_, &promises));
                return promises;
        }

private:
        keepmum_secret handle_;
};

/** A secret open for reading, for as long as this stands. Nests, also from several threads. */
class reading {
public:
        explicit reading(const secret &s) : handle_(s.get())
        {
                const void *bytes;
                check(keepmum_open_read(handle_, &bytes, &n_bytes_));
                bytes_ = static_cast<const unsigned char *>(bytes);
        }
        reading(const reading &) = delete;
        reading &operator=(const reading &) = delete;
        ~reading() { keepmum_close(handle_); }

        const unsigned char *data() const noexcept { return bytes_; }
        std::size_t size() const noexcept { return n_bytes_; }
        const unsigned char *begin() const noexcept { return bytes_; }
        const unsigned char *end() const noexcept { return bytes_ + n_bytes_; }
        unsigned char operator[](std::size_t i) const noexcept { return bytes_[i]; }

private:
        keepmum_secret handle_;
        const unsigned char *bytes_;
        std::size_t n_bytes_;
};

/** A secret open for writing, for as long as this stands. Alone: throws KEEPMUM_EBUSY while it is open at all. */
class writing {
public:
        explicit writing(secret &s) : handle_(s.get())
        {
                void *bytes;
                check(keepmum_open_write(handle_, &bytes, &n_bytes_));
                bytes_ = static_cast<unsigned char *>(bytes);
        }
        writing(const writing &) = delete;
        writing &operator=(const writing &) = delete;
        ~writing() { keepmum_close(handle_); }

        unsigned char *data() const noexcept { return bytes_; }
        std::size_t size() const noexcept { return n_bytes_; }
        unsigned char *begin() const noexcept { return bytes_; }
        unsigned char *end() const noexcept { return bytes_ + n_bytes_; }
        unsigned char &operator[](std::size_t i) const noexcept { return bytes_[i]; }

private:
        keepmum_secret handle_;
        unsigned char *bytes_;
        std::size_t n_bytes_;
};

/** For std containers: each allocation is a secret of its own - locked, guarded, not dumped, not in children, wiped when it is given back -
 *  but open all the while, since a container keeps pointers. For what lives shortly, such as a passphrase being put together.
 *  A short std::basic_string keeps its characters in the object itself: reserve() more than that first. One allocation is at least a
 *  page, and takes part in the lock limit; bad_alloc when none is to be had. In a child of fork the memory is not there: there a
 *  container of the parent must not even be destroyed (end the child by _exit() or exec). */
template <class T> class allocator {
public:
        using value_type = T;

        allocator() noexcept = default;
        template <class U> allocator(const allocator<U> &) noexcept {}

        T *allocate(std::size_t n)
        {
                static_assert(alignof(T) <= head_bytes, "an alignment of at most 64 bytes");
                keepmum_secret s;
                std::size_t n_bytes;
                void *bytes;

                if (n > (KEEPMUM_MAX_BYTES - 2 * head_bytes) / sizeof(T))
                        throw std::bad_alloc();
                n_bytes = head_bytes + (n * sizeof(T) + head_bytes - 1) / head_bytes * head_bytes;
                if (keepmum_create(&s, n_bytes, KEEPMUM_STAY) != 0)
                        throw std::bad_alloc();
                if (keepmum_open_write(s, &bytes, &n_bytes) != 0) {
                        keepmum_destroy(&s);
                        throw std::bad_alloc();
                }
                new (bytes) keepmum_secret(s);
                return reinterpret_cast<T *>(static_cast<unsigned char *>(bytes) + head_bytes);
        }
        void deallocate(T *p, std::size_t) noexcept
        {
                keepmum_secret s = *reinterpret_cast<keepmum_secret *>(reinterpret_cast<unsigned char *>(p) - head_bytes);
                keepmum_destroy(&s);
        }

        template <class U> bool operator==(const allocator<U> &) const noexcept { return true; }
        template <class U> bool operator!=(const allocator<U> &) const noexcept { return false; }

private:
        static constexpr std::size_t head_bytes = 64;
};

} // namespace keepmum

#endif
