#!/usr/bin/env python3
"""Structured streaming from Kafka into Postgres (JDBC, batched inserts) or Parquet; run by peers.py.

usage: spark_peer.py postgres|parquet SAID BOOTSTRAP TOPIC ROWS PG-URL FOLDER SCHEMA SPARK
"""
import glob, os, sys, time, urllib.parse
sink, said, bootstrap, topic, rows, url, folder, schema, spark_folder = sys.argv[1:]
from pyspark.sql import SparkSession
from pyspark.sql.functions import expr
from pyspark.sql.avro.functions import from_avro

spark = (SparkSession.builder.master("local[2]").config("spark.jars", ",".join(glob.glob(os.path.join(spark_folder, "jars/*.jar"))))
         .config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").config("spark.driver.memory", "1g").getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
read = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", topic)
        .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 1000000).load())
table = read.select(from_avro(expr("substring(value, 6)"), schema).alias("r")).select("r.*")
at = urllib.parse.urlsplit(url)
first = []


def write(batch, number):
    (batch.write.format("jdbc").option("url", "jdbc:postgresql://%s:%d%s?reWriteBatchedInserts=true" % (at.hostname, at.port, at.path))
     .option("driver", "org.postgresql.Driver").option("user", at.username).option("password", at.password)
     .option("dbtable", "plain").option("batchsize", 10000).mode("append").save())
    first.append(time.time())


began = time.time()
if sink == "postgres":
    stream = table.writeStream.foreachBatch(write).option("checkpointLocation", folder + "-state").trigger(availableNow=True).start()
    stream.awaitTermination()
else:
    stream = (table.writeStream.format("parquet").option("path", folder).option("compression", "zstd").option("checkpointLocation", folder + "-state")
              .trigger(availableNow=True).start())
    while stream.isActive:
        if not first and glob.glob(os.path.join(folder, "*.parquet")):
            first.append(time.time())
        time.sleep(0.05)
ended = time.time()
if sink == "parquet":
    assert spark.read.parquet(folder).count() == int(rows), "rows"
with open(said, "w") as f:
    f.write("%f %f" % (ended - began, first[0] if first else ended))
