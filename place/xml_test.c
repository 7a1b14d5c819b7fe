#include "place/xml.h"

#include "tests/check.h"

static void elements_are_found_one_after_the_other(void)
{
    struct span rest = span_str("<?xml?><L xmlns=\"x\"><C><K>a</K></C><Count>9</Count>"
                                "<C ><K>b</K></C><C/></L>");
    struct span one;
    struct buf text = BUF_INIT(100);

    CHECK(xml_next(&rest, "C", &one));
    CHECK(xml_text(one, "K", &text));
    CHECK(xml_next(&rest, "C", &one));
    CHECK(xml_text(one, "K", &text));
    CHECK_SPAN(buf_span(&text), "ab");
    CHECK(xml_next(&rest, "C", &one));
    CHECK_INT(one.n, 0);
    CHECK(!xml_next(&rest, "C", &one));
    buf_free(&text);
}

static void what_is_cut_off_is_not_there(void)
{
    static const char whole[] = "<L><K>ab</K></L>";

    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct span rest = span_of(whole, n), one;
        CHECK_INT(xml_next(&rest, "K", &one), n >= 12);
        rest = span_of(whole, n);
        CHECK(!xml_next(&rest, "L", &one));
    }
}

static void entities_are_undone_and_made(void)
{
    struct buf text = BUF_INIT(100), xml = BUF_INIT(100);

    CHECK(
        xml_text(span_str("<K>&lt;a&amp;b&gt;&#38;&#x42;&quot;&bogus;&#0;&#x20AC;</K>"),
                 "K", &text));
    CHECK_SPAN(buf_span(&text), "<a&b>&B\"&bogus;&#0;\xe2\x82\xac");
    xml_put(&xml, span_str("\"a\"<&>"));
    CHECK_SPAN(buf_span(&xml), "&quot;a&quot;&lt;&amp;&gt;");
    buf_free(&text);
    buf_free(&xml);
}

static void numbers_are_digits_alone(void)
{
    CHECK_INT(xml_number(span_str("<S>120</S>"), "S"), 120);
    CHECK_INT(xml_number(span_str("<S>0</S>"), "S"), 0);
    CHECK_INT(xml_number(span_str("<S>-1</S>"), "S"), -1);
    CHECK_INT(xml_number(span_str("<S></S>"), "S"), -1);
    CHECK_INT(xml_number(span_str("<S>1234567890123456789</S>"), "S"), -1);
    CHECK_INT(xml_number(span_str("<T>1</T>"), "S"), -1);
}

int main(void)
{
    RUN(elements_are_found_one_after_the_other);
    RUN(what_is_cut_off_is_not_there);
    RUN(entities_are_undone_and_made);
    RUN(numbers_are_digits_alone);
    return REPORT();
}
