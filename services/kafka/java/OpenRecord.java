import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.jose4j.jwa.AlgorithmConstraints;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jwe.JsonWebEncryption;

/** Reads one record with the Java consumer, opens it with jose4j and a data key, and prints the event. */
public class OpenRecord {
    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        String topic = arguments[1];
        byte[] dataKey = HexFormat.of().parseHex(readLine());
        ConsumerRecord<String, String> record = firstRecord(brokers, topic);
        JsonNode event = new ObjectMapper().readTree(record.value());
        JsonWebEncryption jwe = new JsonWebEncryption();
        jwe.setAlgorithmConstraints(new AlgorithmConstraints(ConstraintType.PERMIT, "dir"));
        jwe.setContentEncryptionAlgorithmConstraints(new AlgorithmConstraints(ConstraintType.PERMIT, "A256GCM"));
        jwe.setKey(new SecretKeySpec(dataKey, "AES"));
        jwe.setCompactSerialization(event.get("data").asText());
        System.out.println(record.key());
        System.out.println(jwe.getPlaintextString());
    }

    private static String readLine() throws Exception {
        return new java.io.BufferedReader(new java.io.InputStreamReader(System.in)).readLine();
    }

    private static ConsumerRecord<String, String> firstRecord(String brokers, String topic) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(found -> new TopicPartition(topic, found.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            for (int attempt = 0; attempt < 60; attempt++) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    return record;
                }
            }
        }
        throw new IllegalStateException("the topic is empty");
    }
}
