// Arrow C++ behind abi.h.  The only C++ of avrogate; knows no Avro.
#include "parquet/abi.h"

#include <arrow/c/bridge.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <arrow/util/config.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace
{

class Refusal : public std::runtime_error
{
  public:
    using std::runtime_error::runtime_error;
};

void check(const arrow::Status &s)
{
    if (!s.ok())
        throw Refusal(s.message());
}

template <class T> T take(arrow::Result<T> r)
{
    check(r.status());
    return std::move(r).ValueUnsafe();
}

/* Runs what may throw, which is everything of Arrow's, and says why it did. */
template <class F> int guard(char *why, const bool *io_failed, F &&run)
{
    try {
        run();
        return 0;
    } catch (const std::exception &e) {
        std::snprintf(why, PQ_WHY, "%s", e.what());
    } catch (...) {
        std::snprintf(why, PQ_WHY,
                      "an exception that is none of the standard library's");
    }
    return io_failed != nullptr && *io_failed ? PQ_IO : -1;
}

class Sink final : public arrow::io::OutputStream
{
  public:
    Sink(pq_write_call *write, void *ctx) : write_(write), ctx_(ctx)
    {
        set_mode(arrow::io::FileMode::WRITE);
    }
    using arrow::io::OutputStream::Write;
    arrow::Status Write(const void *bytes, int64_t n) override
    {
        if (failed || write_(ctx_, bytes, static_cast<size_t>(n)) != 0) {
            failed = true;
            return arrow::Status::IOError("the sink refused bytes");
        }
        at_ += n;
        return arrow::Status::OK();
    }
    arrow::Result<int64_t> Tell() const override
    {
        return at_;
    }
    arrow::Status Close() override
    {
        closed_ = true;
        return arrow::Status::OK();
    }
    bool closed() const override
    {
        return closed_;
    }
    bool failed = false;

  private:
    pq_write_call *write_;
    void *ctx_;
    int64_t at_ = 0;
    bool closed_ = false;
};

class Source final : public arrow::io::RandomAccessFile
{
  public:
    Source(pq_read_call *read_at, void *ctx, int64_t size)
        : read_at_(read_at), ctx_(ctx), size_(size)
    {
    }
    arrow::Result<int64_t> GetSize() override
    {
        return size_;
    }
    arrow::Result<int64_t> ReadAt(int64_t at, int64_t n, void *to) override
    {
        if (at < 0 || n < 0 || at > size_)
            return arrow::Status::Invalid("bytes beyond the file's end");
        n = std::min(n, size_ - at);
        if (n > 0 && read_at_(ctx_, static_cast<uint64_t>(at), to,
                              static_cast<size_t>(n)) != 0) {
            failed = true;
            return arrow::Status::IOError("the source gave no bytes");
        }
        return n;
    }
    arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t at, int64_t n) override
    {
        if (at < 0 || n < 0 || at > size_)
            return arrow::Status::Invalid("bytes beyond the file's end");
        ARROW_ASSIGN_OR_RAISE(auto to,
                              arrow::AllocateResizableBuffer(std::min(n, size_ - at)));
        ARROW_ASSIGN_OR_RAISE(n, ReadAt(at, n, to->mutable_data()));
        ARROW_RETURN_NOT_OK(to->Resize(n, false));
        return std::shared_ptr<arrow::Buffer>(std::move(to));
    }
    arrow::Result<int64_t> Read(int64_t n, void *to) override
    {
        ARROW_ASSIGN_OR_RAISE(n, ReadAt(at_, n, to));
        at_ += n;
        return n;
    }
    arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t n) override
    {
        ARROW_ASSIGN_OR_RAISE(auto bytes, ReadAt(at_, n));
        at_ += bytes->size();
        return bytes;
    }
    arrow::Status Seek(int64_t at) override
    {
        at_ = at;
        return arrow::Status::OK();
    }
    arrow::Result<int64_t> Tell() const override
    {
        return at_;
    }
    arrow::Status Close() override
    {
        closed_ = true;
        return arrow::Status::OK();
    }
    bool closed() const override
    {
        return closed_;
    }
    bool failed = false;

  private:
    pq_read_call *read_at_;
    void *ctx_;
    int64_t size_, at_ = 0;
    bool closed_ = false;
};

} // namespace

// ---- writing ----

struct pq_writer {
    std::shared_ptr<arrow::Schema> schema;
    std::shared_ptr<Sink> sink;
    std::unique_ptr<parquet::arrow::FileWriter> file;
};

struct pq_reader {
    std::shared_ptr<Source> source;
    std::unique_ptr<parquet::arrow::FileReader> file;
    std::unique_ptr<arrow::RecordBatchReader> batches;
    std::shared_ptr<const arrow::KeyValueMetadata> notes;
};

namespace
{

std::shared_ptr<parquet::ArrowWriterProperties> arrow_properties()
{
    return parquet::ArrowWriterProperties::Builder()
        .store_schema()
        ->set_use_threads(false)
        ->build();
}

std::string path_of(const char *column)
{
    return column;
}

/* The leaf's number by its path; a path that leads nowhere would be forgotten in
 * silence. */
int leaf_of(const parquet::SchemaDescriptor &leaves, const char *column)
{
    int i = leaves.ColumnIndex(path_of(column));
    if (i < 0)
        throw Refusal("there is no column \"" + std::string(column) +
                      "\" of plain values (the path of one inside a record has dots)");
    return i;
}

std::shared_ptr<parquet::SchemaDescriptor> leaves_of(const arrow::Schema &schema)
{
    std::shared_ptr<parquet::SchemaDescriptor> leaves;
    auto plain = parquet::WriterProperties::Builder().build();
    check(
        parquet::arrow::ToParquetSchema(&schema, *plain, *arrow_properties(), &leaves));
    return leaves;
}

arrow::Compression::type codec_of(const char *name)
{
    std::string codec = name;
    return take(arrow::util::Codec::GetCompressionType(codec == "none" ? "uncompressed"
                                                                       : codec));
}

void want_bloom(parquet::WriterProperties::Builder &b, const char *column)
{
#if ARROW_VERSION_MAJOR >= 24
    b.enable_bloom_filter(path_of(column), parquet::BloomFilterOptions{});
#else
    (void)b;
    throw Refusal("bloom filter of \"" + std::string(column) +
                  "\": Arrow C++ " ARROW_VERSION_STRING " writes none, 24 does");
#endif
}

/* malloc(): Arrow's own allocator keeps 25 MB that nobody else can use, and is no
 * faster. */
arrow::MemoryPool *pool()
{
    return arrow::system_memory_pool();
}

std::shared_ptr<parquet::WriterProperties> properties(const arrow::Schema &schema,
                                                      const pq_options &o)
{
    auto leaves = leaves_of(schema);
    std::vector<parquet::SortingColumn> sorting;
    parquet::WriterProperties::Builder b;

    b.memory_pool(pool());
    b.version(parquet::ParquetVersion::PARQUET_2_6);
    b.created_by(o.created_by);
    b.compression(codec_of(o.codec));
    if (o.level != 0)
        b.compression_level(o.level);
    b.max_row_group_length(o.row_group_rows);
    b.enable_page_checksum();
    if (o.no_dictionary)
        b.disable_dictionary();
    if (o.no_statistics)
        b.disable_statistics();
    if (o.no_page_index)
        b.disable_write_page_index();
    else
        b.enable_write_page_index();
    for (size_t i = 0; i < o.n_bloom; i++) {
        leaf_of(*leaves, o.bloom[i]);
        want_bloom(b, o.bloom[i]);
    }
    for (size_t i = 0; i < o.n_sort; i++)
        sorting.push_back({leaf_of(*leaves, o.sort[i].column),
                           o.sort[i].descending != 0, o.sort[i].nulls_first != 0});
    b.set_sorting_columns(std::move(sorting));
    return b.build();
}

int open_writer(pq_writer **out, ArrowSchema *schema, const pq_options *o,
                pq_write_call *write, void *ctx, char *why)
{
    return guard(why, nullptr, [&] {
        auto w = std::make_unique<pq_writer>();
        w->schema = take(arrow::ImportSchema(schema));
        w->sink = std::make_shared<Sink>(write, ctx);
        w->file = take(parquet::arrow::FileWriter::Open(*w->schema, pool(), w->sink,
                                                        properties(*w->schema, *o),
                                                        arrow_properties()));
        *out = w.release();
    });
}

int write_batch(pq_writer *w, ArrowArray *batch, int new_group, char *why)
{
    return guard(why, &w->sink->failed, [&] {
        auto columns = take(arrow::ImportRecordBatch(batch, w->schema));
        if (new_group)
            check(w->file->NewBufferedRowGroup());
        check(w->file->WriteRecordBatch(*columns));
    });
}

int add_note(pq_writer *w, const char *key, const char *value, char *why)
{
    return guard(why, nullptr, [&] {
        check(w->file->AddKeyValueMetadata(arrow::key_value_metadata(
            std::vector<std::string>{key}, std::vector<std::string>{value})));
    });
}

int finish_writer(pq_writer *w, char *why)
{
    return guard(why, &w->sink->failed, [&] { check(w->file->Close()); });
}

/* A file that was not finished is closed into nothing: its destructor would write. */
void close_writer(pq_writer *w)
{
    w->sink->failed = true;
    try {
        delete w;
    } catch (...) { // what an aborted file says no longer matters
    }
}

// ---- reading ----

int open_reader(pq_reader **out, pq_read_call *read_at, void *ctx, uint64_t size,
                int64_t batch_rows, char *why)
{
    auto r = std::make_unique<pq_reader>();
    r->source = std::make_shared<Source>(read_at, ctx, static_cast<int64_t>(size));
    return guard(why, &r->source->failed, [&] {
        parquet::ReaderProperties how;
        how.enable_buffered_stream(); // a column chunk is read as it is used
        how.set_thrift_string_size_limit(64 << 20);
        how.set_thrift_container_size_limit(1 << 20);
        how.set_page_checksum_verification(true);
        parquet::ArrowReaderProperties arrow_how(false);
        arrow_how.set_batch_size(batch_rows);
        arrow_how.set_pre_buffer(false);
        arrow_how.set_arrow_extensions_enabled(false); // storage types suffice
        parquet::arrow::FileReaderBuilder b;
        check(b.Open(r->source, how));
        r->file = take(b.properties(arrow_how)->Build());
        r->batches = take(r->file->GetRecordBatchReader());
        r->notes = r->file->parquet_reader()->metadata()->key_value_metadata();
        *out = r.release();
    });
}

int reader_schema(pq_reader *r, ArrowSchema *out, char *why)
{
    return guard(why, nullptr,
                 [&] { check(arrow::ExportSchema(*r->batches->schema(), out)); });
}

int64_t reader_rows(pq_reader *r)
{
    return r->file->parquet_reader()->metadata()->num_rows();
}

const char *reader_value(pq_reader *r, const char *key, size_t *n)
{
    int i = r->notes == nullptr ? -1 : r->notes->FindKey(key);
    if (i < 0)
        return nullptr;
    *n = r->notes->value(i).size();
    return r->notes->value(i).data();
}

int next_batch(pq_reader *r, ArrowArray *out, char *why)
{
    return guard(why, &r->source->failed, [&] {
        std::shared_ptr<arrow::RecordBatch> batch;
        check(r->batches->ReadNext(&batch));
        out->release = nullptr;
        if (batch == nullptr)
            return;
        check(batch->ValidateFull());
        check(arrow::ExportRecordBatch(*batch, out));
    });
}

void close_reader(pq_reader *r)
{
    delete r;
}

const pq_abi table = {
    PQ_ABI,        "Arrow C++ " ARROW_VERSION_STRING,
    open_writer,   write_batch,
    add_note,      finish_writer,
    close_writer,  open_reader,
    reader_schema, reader_rows,
    reader_value,  next_batch,
    close_reader,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const pq_abi *avrogate_parquet(
    int abi)
{
    return abi == PQ_ABI ? &table : nullptr;
}
