import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.avro.*;
import org.apache.avro.file.*;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;

/**
 * Avro Java's opinion, a line of JSON asked and a line answered: {"ok": true, ...} or {"ok": false, "why": ...}.
 * Data is answered as Avro Java writes it again, in hex, so that two readings can be compared without agreeing on
 * a text for values.
 */
public class Reference {
  static final ObjectMapper JSON = new ObjectMapper();

  /** Maps keep their order, so that writing again gives the same bytes. */
  static class Ordered extends GenericData {
    @Override
    public Object newMap(Object old, int size) {
      return new LinkedHashMap<Object, Object>();
    }
  }

  static class InOrder extends GenericDatumReader<Object> {
    InOrder(Schema writer, Schema reader) {
      super(writer, reader, new Ordered());
    }
  }

  static String hex(byte[] bytes) {
    StringBuilder s = new StringBuilder();
    for (byte b : bytes)
      s.append(String.format("%02x", b));
    return s.toString();
  }

  static byte[] unhex(String s) {
    byte[] out = new byte[s.length() / 2];
    for (int i = 0; i < out.length; i++)
      out[i] = (byte) Integer.parseInt(s.substring(2 * i, 2 * i + 2), 16);
    return out;
  }

  static Schema parse(JsonNode line, String name) {
    return new Schema.Parser().parse(line.get(name).textValue());
  }

  static void schema(JsonNode line, ObjectNode out) throws Exception {
    Schema s = parse(line, "schema");
    out.put("canonical", SchemaNormalization.toParsingForm(s));
    out.put("crc64", String.format("0x%016x", SchemaNormalization.parsingFingerprint64(s)));
    out.put("md5", hex(SchemaNormalization.parsingFingerprint("MD5", s)));
    out.put("sha256", hex(SchemaNormalization.parsingFingerprint("SHA-256", s)));
  }

  static boolean reads(Schema reader, Schema writer) {
    return SchemaCompatibility.checkReaderWriterCompatibility(reader, writer)
        .getType() == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE;
  }

  /** The registry's levels: oldest first; all of them for the transitive ones, else the last. */
  static void compat(JsonNode line, ObjectNode out) {
    Schema fresh = parse(line, "new");
    List<Schema> old = new ArrayList<>();
    for (JsonNode text : line.get("old"))
      old.add(new Schema.Parser().parse(text.textValue()));
    ObjectNode verdicts = out.putObject("levels");
    for (String level : new String[] { "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE",
        "FULL", "FULL_TRANSITIVE" }) {
      boolean yes = true;
      List<Schema> against = level.endsWith("TRANSITIVE") ? old : old.subList(old.size() - 1, old.size());
      for (Schema s : against) {
        if (level.startsWith("BACKWARD") || level.startsWith("FULL"))
          yes &= reads(fresh, s);
        if (level.startsWith("FORWARD") || level.startsWith("FULL"))
          yes &= reads(s, fresh);
      }
      verdicts.put(level, yes);
    }
  }

  static byte[] write(Schema s, List<Object> data) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
    GenericDatumWriter<Object> writer = new GenericDatumWriter<>(s);
    for (Object datum : data)
      writer.write(datum, encoder);
    encoder.flush();
    return bytes.toByteArray();
  }

  static void datum(JsonNode line, ObjectNode out) throws Exception {
    Schema writer = parse(line, "schema"), reader = line.has("reader") ? parse(line, "reader") : writer;
    BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(unhex(line.get("hex").textValue()), null);
    List<Object> data = new ArrayList<>();
    InOrder in = new InOrder(writer, reader);
    do
      data.add(in.read(null, decoder));
    while (!decoder.isEnd());
    out.put("records", data.size());
    out.put("hex", hex(write(reader, data)));
    out.put("json", json(reader, data));
  }

  static String json(Schema s, List<Object> data) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    JsonEncoder encoder = EncoderFactory.get().jsonEncoder(s, bytes, false);
    GenericDatumWriter<Object> writer = new GenericDatumWriter<>(s);
    for (Object datum : data)
      writer.write(datum, encoder);
    encoder.flush();
    return bytes.toString("UTF-8");
  }

  /** One datum a line, in the specification's JSON encoding. */
  static void fromJson(JsonNode line, ObjectNode out) throws Exception {
    Schema s = parse(line, "schema");
    List<Object> data = new ArrayList<>();
    for (String text : line.get("json").textValue().split("\n"))
      data.add(new InOrder(s, s).read(null, DecoderFactory.get().jsonDecoder(s, text)));
    out.put("hex", hex(write(s, data)));
  }

  static void readOcf(JsonNode line, ObjectNode out) throws Exception {
    List<Object> data = new ArrayList<>();
    InOrder datum = new InOrder(null, null);
    try (DataFileReader<Object> in = new DataFileReader<>(new File(line.get("file").textValue()), datum)) {
      while (in.hasNext())
        data.add(in.next());
      out.put("schema", in.getSchema().toString());
      out.put("records", data.size());
      out.put("hex", hex(write(in.getSchema(), data)));
    }
  }

  static void writeOcf(JsonNode line, ObjectNode out) throws Exception {
    Schema s = parse(line, "schema");
    BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(unhex(line.get("hex").textValue()), null);
    InOrder in = new InOrder(s, s);
    int n = 0;
    try (DataFileWriter<Object> to = new DataFileWriter<>(new GenericDatumWriter<>(s))) {
      to.setCodec(CodecFactory.fromString(line.get("codec").textValue()));
      to.create(s, new File(line.get("file").textValue()));
      for (; !decoder.isEnd(); n++) {
        to.append(in.read(null, decoder));
        if (n % 7 == 6)
          to.sync(); // many small blocks
      }
    }
    out.put("records", n);
  }

  static void answer(JsonNode line, ObjectNode out) throws Exception {
    switch (line.get("ask").textValue()) {
    case "schema":
      schema(line, out);
      break;
    case "compat":
      compat(line, out);
      break;
    case "datum":
      datum(line, out);
      break;
    case "json":
      fromJson(line, out);
      break;
    case "read-ocf":
      readOcf(line, out);
      break;
    case "write-ocf":
      writeOcf(line, out);
      break;
    default:
      throw new IllegalArgumentException(line.toString());
    }
  }

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream to = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
    for (String text; (text = in.readLine()) != null;) {
      ObjectNode out = JSON.createObjectNode();
      try {
        answer(JSON.readTree(text), out);
        out.put("ok", true);
      } catch (Exception | StackOverflowError | OutOfMemoryError e) {
        out.removeAll();
        out.put("ok", false);
        out.put("why", e.getClass().getSimpleName() + ": " + e.getMessage());
      }
      to.println(JSON.writeValueAsString(out));
      to.flush();
    }
  }
}
