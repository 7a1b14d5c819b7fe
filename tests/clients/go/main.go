// franz-go's registry client (pkg/sr), with franz-go for Kafka and hamba/avro for the bytes, against the registry;
// what it is given and must do: ../README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

type Reading struct {
	By      string           `avro:"by"`
	N       int64            `avro:"n"`
	Value   float64          `avro:"value"`
	Note    *string          `avro:"note"`
	Tags    []string         `avro:"tags"`
	Parity  string           `avro:"parity"`
	Raw     []byte           `avro:"raw"`
	Levels  map[string]int32 `avro:"levels"`
	At      int64            `avro:"at"`
	Station string           `avro:"station"`
}

type Place struct {
	Lat float64 `avro:"lat"`
	Lon float64 `avro:"lon"`
}

type Trip struct {
	To Place `avro:"to"`
	Km int32 `avro:"km"`
}

var (
	ctx    = context.Background()
	topic  = os.Getenv("CLIENTS_TOPIC")
	me     = topic + "-go"
	trips  = me + "-trips"
	failed = false
)

func check(what string, got, want any) {
	if reflect.DeepEqual(got, want) {
		fmt.Println("ok - " + what)
		return
	}
	failed = true
	fmt.Printf("not ok - %s: %+v, wanted %+v\n", what, got, want)
}

// must ends the run where what is asked cannot go on.
func must[T any](got T, err error) T {
	if err != nil {
		fmt.Printf("not ok - %v\n", err)
		os.Exit(1)
	}
	return got
}

func text(name string) string {
	return string(must(os.ReadFile(filepath.Join(os.Getenv("CLIENTS_SCHEMAS"), name+".avsc"))))
}

func schema(name string, references ...sr.SchemaReference) sr.Schema {
	return sr.Schema{Schema: text(name), Type: sr.TypeAvro, References: references}
}

func reading(by string, n int64) Reading {
	r := Reading{By: by, N: n, Value: float64(n) + 0.5, Tags: []string{"a", "ü"}, Parity: []string{"EVEN", "ODD"}[n%2],
		Raw: []byte{0, byte(n), 255}, Levels: map[string]int32{"x": int32(n)}, At: 1700000000000 + n}
	if n%2 == 1 {
		note := fmt.Sprintf("note %d", n)
		r.Note = &note
	}
	return r
}

// refusal is what the typed error says: HTTP status, the code, and whether the client knows it.
func refusal(err error) [3]int {
	var e *sr.ResponseError
	if !errors.As(err, &e) {
		return [3]int{}
	}
	return [3]int{e.StatusCode, e.ErrorCode, e.SchemaError().Code}
}

// open says that it knows guids: without that header an answer has none.
func open() *sr.Client {
	return must(sr.NewClient(sr.URLs(os.Getenv("CLIENTS_REGISTRY")), sr.PreReq(func(r *http.Request) error {
		r.Header.Set("Confluent-Accept-Unknown-Properties", "true")
		return nil
	})))
}

func produce(topic string, values [][]byte) {
	k := must(kgo.NewClient(kgo.SeedBrokers(os.Getenv("CLIENTS_KAFKA"))))
	defer k.Close()
	for _, v := range values {
		must(0, k.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: v}).FirstErr())
	}
}

// consume reads all there is in partition 0.
func consume(topic string) (found [][]byte) {
	k := must(kgo.NewClient(kgo.SeedBrokers(os.Getenv("CLIENTS_KAFKA")), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	defer k.Close()
	end, _ := must(kadm.NewClient(k).ListEndOffsets(ctx, topic)).Lookup(topic, 0)
	for int64(len(found)) < end.Offset {
		fetched := k.PollFetches(ctx)
		must(0, fetched.Err())
		fetched.EachRecord(func(r *kgo.Record) { found = append(found, r.Value) })
	}
	return found
}

// parse makes a schema of what the registry has, with what it refers to.
func parse(c *sr.Client, s sr.Schema) avro.Schema {
	known := &avro.SchemaCache{}
	for _, r := range s.References {
		must(avro.ParseWithCache(must(c.SchemaByVersion(ctx, r.Subject, r.Version)).Schema.Schema, "", known))
	}
	return must(avro.ParseWithCache(s.Schema, "", known))
}

// decode reads a frame by the schema its id names, as reader, if there is one.
func decode(c *sr.Client, frame []byte, reader avro.Schema, into any) {
	id, body, err := (&sr.ConfluentHeader{}).DecodeID(frame)
	writer := parse(c, must(c.SchemaByID(ctx, must(id, err))))
	if reader != nil {
		writer = must(avro.NewSchemaCompatibility().Resolve(reader, writer))
	}
	must(0, avro.Unmarshal(writer, body, into))
}

func serde[T any](id int, s avro.Schema) *sr.Serde {
	var made sr.Serde
	var of T
	made.Register(id, of, sr.EncodeFn(func(v any) ([]byte, error) { return avro.Marshal(s, v) }),
		sr.DecodeFn(func(b []byte, v any) error { return avro.Unmarshal(s, b, v) }))
	return &made
}

func fields(text string) (names []string) {
	var s struct{ Fields []struct{ Name string } }
	must(0, json.Unmarshal([]byte(text), &s))
	for _, f := range s.Fields {
		names = append(names, f.Name)
	}
	return names
}

func subjects(c *sr.Client) (int, int) {
	subject := me + "-value"
	shared := must(c.SchemaByVersion(ctx, topic+"-value", -1)).ID
	first := must(c.CreateSchema(ctx, subject, schema("reading")))
	check("registers: one id in all subjects", []int{first.ID, first.Version}, []int{shared, 1})
	check("registers again: the same id", must(open().RegisterSchema(ctx, subject, schema("reading"), -1, -1)), first.ID)
	_, err := c.CreateSchema(ctx, subject, schema("reading-bad"))
	check("is told of what is incompatible", refusal(err), [3]int{409, 409, 409})
	asked := must(c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, schema("reading-bad")))
	check("asks before: incompatible, and why", []bool{asked.Is, strings.Contains(strings.Join(asked.Messages, ""), "needed")}, []bool{false, true})
	check("asks before: compatible", must(c.CheckCompatibility(ctx, subject, -2, schema("reading-2"))).Is, true)
	second := must(c.CreateSchema(ctx, subject, schema("reading-2")))
	check("evolves", []any{second.ID != first.ID, must(c.SubjectVersions(ctx, subject))}, []any{true, []int{1, 2}})
	found := must(c.LookupSchema(ctx, subject, schema("reading")))
	check("looks up", []any{found.ID, found.Version, found.Subject}, []any{first.ID, 1, subject})
	check("reads a version", must(c.SchemaByVersion(ctx, subject, 1)).ID, first.ID)
	check("reads by id", fields(must(c.SchemaByID(ctx, second.ID)).Schema), fields(text("reading-2")))
	check("reads the text by id", fields(must(c.SchemaTextByID(ctx, second.ID))), fields(text("reading-2")))
	check("reads the text of a version", fields(must(c.SchemaTextByVersion(ctx, subject, 1))), fields(text("reading")))
	guid := must(c.SchemaByVersion(ctx, subject, 1)).GUID
	check("reads by guid", fields(must(c.SchemaByGUID(ctx, guid)).Schema.Schema), fields(text("reading")))
	check("reads ids by guid", must(c.SchemaIDsByGUID(ctx, guid))[0].ID, first.ID)
	check("lists subjects of an id", slices.Contains(must(c.SubjectsByID(ctx, first.ID)), subject), true)
	check("lists versions of an id", slices.Contains(must(c.SchemaVersionsByID(ctx, first.ID)), sr.SubjectVersion{Subject: subject, Version: 1}), true)
	check("lists subjects", slices.Contains(must(c.Subjects(ctx)), subject), true)
	check("lists schemas", len(must(c.Schemas(ctx, subject))), 2)
	check("lists types", must(c.SupportedTypes(ctx)), []sr.SchemaType{sr.TypeAvro})
	check("sets a level", c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatFull}, subject)[0].Err, nil)
	check("reads the level", c.Compatibility(ctx, subject)[0].Level, sr.CompatFull)
	check("drops the level", c.ResetCompatibility(ctx, subject)[0].Err, nil)
	check("reads the mode", c.Mode(ctx)[0].Mode, sr.ModeReadWrite)
	return first.ID, second.ID
}

func references(c *sr.Client) {
	place := must(c.CreateSchema(ctx, trips+".place", schema("place")))
	refers := sr.SchemaReference{Name: "clients.Place", Subject: place.Subject, Version: 1}
	trip := must(c.CreateSchema(ctx, trips+"-value", schema("trip", refers)))
	check("registers with a reference", trip.References, []sr.SchemaReference{refers})
	check("looks up with a reference", must(c.LookupSchema(ctx, trips+"-value", schema("trip", refers))).ID, trip.ID)
	check("sees who refers to it", must(c.SchemaReferences(ctx, place.Subject, 1))[0].ID, trip.ID)
	check("may not delete what is referred to", refusal(c.DeleteSchema(ctx, place.Subject, 1, sr.SoftDelete)), [3]int{422, 42206, 42206})
	s := serde[Trip](trip.ID, parse(c, trip.Schema))
	var want, got []Trip
	var frames [][]byte
	for n := range 5 {
		want = append(want, Trip{Place{float64(n) / 2, -float64(n)}, int32(n)})
		frames = append(frames, s.MustEncode(want[n]))
	}
	produce(trips, frames)
	for _, frame := range consume(trips) {
		var t Trip
		must(0, s.Decode(frame, &t))
		got = append(got, t)
	}
	check("serializes with a reference to Kafka and back", got, want)
}

func throughKafka(c *sr.Client, first, second int) {
	old, latest := avro.MustParse(text("reading")), avro.MustParse(text("reading-2"))
	var frames, mine [][]byte
	var want, got []Reading
	for n := range int64(5) {
		r := reading("go", n)
		frames = append(frames, serde[Reading](first, old).MustEncode(r))
		r.Station = "unknown"
		want = append(want, r)
	}
	for n := range int64(5) {
		r := reading("go", n)
		r.Station = "s"
		frames = append(frames, serde[Reading](second, latest).MustEncode(r))
		want = append(want, r)
	}
	produce(me, frames)
	for _, frame := range consume(me) {
		var r Reading
		decode(c, frame, latest, &r)
		got = append(got, r)
	}
	check("serializes both versions to Kafka and back, as the newer one", got, want)
	for n := range int64(3) {
		mine = append(mine, serde[Reading](first, old).MustEncode(reading("go", n)))
	}
	produce(topic, mine)
}

func deletion(c *sr.Client) {
	subject := topic + "-go-gone"
	must(c.CreateSchema(ctx, subject, schema("reading")))
	must(c.CreateSchema(ctx, subject, schema("reading-2")))
	check("deletes a version", c.DeleteSchema(ctx, subject, 1, sr.SoftDelete), nil)
	check("deletes a subject", must(c.DeleteSubject(ctx, subject, sr.SoftDelete)), []int{2})
	check("lists what is deleted", must(c.SubjectVersions(sr.WithParams(ctx, sr.ShowDeleted), subject)), []int{1, 2})
	check("deletes for good", must(c.DeleteSubject(ctx, subject, sr.HardDelete)), []int{1, 2})
	_, err := c.SchemaByVersion(ctx, subject, -1)
	check("is told of a missing subject", refusal(err), [3]int{404, 40401, 40401})
	_, err = c.SchemaByID(ctx, 999999)
	check("is told of a missing schema", refusal(err), [3]int{404, 40403, 40403})
	in := sr.InContext(ctx, ".go")
	made := must(c.CreateSchema(in, subject, schema("place")))
	check("registers in a context of its own", []any{made.ID, must(c.LookupSchema(in, subject, schema("place"))).Version}, []any{1, 1})
	check("lists contexts", slices.Contains(must(c.Contexts(ctx)), ".go"), true)
}

func readEverybody(c *sr.Client) {
	found := map[string][]Reading{}
	for _, frame := range consume(topic) {
		var r Reading
		decode(c, frame, nil, &r)
		found[r.By] = append(found[r.By], r)
	}
	for _, by := range strings.Fields(os.Getenv("CLIENTS_WRITERS")) {
		check("reads what "+by+" wrote", found[by], []Reading{reading(by, 0), reading(by, 1), reading(by, 2)})
	}
}

func main() {
	c := open()
	if os.Args[1] == "read" {
		readEverybody(c)
	} else {
		first, second := subjects(c)
		references(c)
		throughKafka(c, first, second)
		deletion(c)
	}
	if failed {
		fmt.Println("failed")
		os.Exit(1)
	}
	fmt.Println("done")
}
