package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NetOptionsTest {
    @Test
    void allThatCanBeSaid() throws IOException {
        NetOptions user = NetOptions.parse(
                "user,mac=52:54:00:ab:CD:ef,mtu=9000,tcp=8080:80,tcp=127.0.0.1/2222:22,udp=5000-5010:6000-6010,p"
                        + "cap=a,,b.pcap,snaplen=96,isolate=off");
        assertEquals(NetOptions.Kind.USER, user.kind());
        assertEquals("52:54:00:ab:cd:ef", user.mac().toString());
        assertEquals(9000, user.mtu());
        assertEquals(Path.of("a,b.pcap"), user.pcap());
        assertEquals(false, user.isolated());
        NetOptions tap = NetOptions.parse("tap=tap0,queues=4,isolate");
        assertEquals(4, tap.queues());
        assertEquals(true, tap.isolated());
        assertThat(tap.pcap()).isNull();
        assertEquals(2, NetOptions.parse("tap,fd=5:6").queues());
        assertEquals(
                NetOptions.Kind.UNIX, NetOptions.parse("unix=/run/net,server").kind());
        assertEquals(
                NetOptions.Kind.UNIX,
                NetOptions.parse("unix=/run/net,reconnect=500").kind());
        assertEquals(NetOptions.Kind.NONE, NetOptions.parse("none").kind());
        assertThat(NetOptions.parse("user").isolated()).isNull();
    }

    @Test
    void anAddressThatIsNotGivenIsRandomAndLocal() throws IOException {
        MacAddress one = NetOptions.parse("user").mac(),
                other = NetOptions.parse("user").mac();
        assertThat(one).isNotEqualTo(other);
        assertEquals(2, one.bytes()[0] & 3);
        assertEquals(one, MacAddress.parse(one.toString()));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
        bridge=br0 | 'bridge' is not known; user, tap=NAME, unix=PATH and none are
        "" | '' is not known
        user=3 | net user takes no value: '3'
        tap | write tap=NAME, or tap,fd=N
        tap= | tap= is no interface's name
        tap=a123456789012345 | 1 to 15 characters
        tap=tap0,fd=3 | write tap=NAME, or tap,fd=N
        tap,fd=x | fd=x must be a number from 0
        unix | write unix=PATH
        unix= | has 0 bytes
        unix,fd=3:4 | one descriptor is a stream
        unix=/x,server,reconnect=10 | leave reconnect out
        unix=/x,reconnect=0 | reconnect=0 must be a number from 1 to 3600000
        user,server | server and reconnect go with unix=PATH
        user,fd=3 | fd goes with tap or unix
        user,queues=2 | several queues need tap
        tap=t,queues=17 | queues=17 must be a number from 1 to 16
        tap,fd=3:4,queues=3 | queues is the number of descriptors
        user,mac=1:2:3 | is no Ethernet address
        user,mac=01:00:5e:00:00:01 | is a group's address
        user,mac=0:0:0:0:0:0 | is no interface's address
        user,mac | mac needs a value
        user,mtu=67 | mtu=67 must be a number from 68 to 65535
        user,mtu=1500,mtu=1500 | 'mtu' is given twice
        user,isolate=yes | isolate is on or off, not 'yes'
        user,speed=10 | 'speed' is not known; mac, mtu
        user,snaplen=100 | snaplen goes with pcap
        tap=t,tcp=80 | tcp and udp go with user
        user,tcp=80:90:1 | must be [ADDRESS/]PORT
        user,tcp=0 | tcp=0: port 0 is out of range; ports are 1 to 65535
        user,tcp=80-70 | the ranges must go up
        user,tcp=80-90:100-120 | of one length
        user,tcp=99999 | port 99999 is out of range; ports are 1 to 65535
        """)
    void whatIsWrongIsSaidInOneLine(String text, String message) {
        assertThatThrownBy(() -> NetOptions.parse(text))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"80", "80-90", "8080:80", "80-90:180-190", "127.0.0.1/80", "::1/80:81"})
    void forwards(String spec) throws IOException {
        NetOptions.parse("user,tcp=" + spec + ",udp=" + spec);
    }

    @Property(tries = 200)
    void anyTextIsParsedOrRefused(
            @ForAll
                    @StringLength(max = 30)
                    @Chars({
                        'u', 's', 'e', 'r', ',', '=', 't', 'a', 'p', '0', '9', ':', '-', '/', 'f', 'd', 'c', 'm', 'q'
                    })
                    String text) {
        for (String kind : new String[] {"", "user,", "tap=t,", "unix=x,"}) {
            try {
                NetOptions.parse(kind + text);
            } catch (IOException e) {
                assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
            }
        }
    }

    @Test
    void nobodyListening() {
        assertThatThrownBy(() -> NetOptions.parse("unix=/nonexistent/socket").open("net0"))
                .hasMessageContaining("unix=/nonexistent/socket: nobody listens there")
                .hasMessageContaining("start the other side first");
        assertThatThrownBy(() -> NetOptions.parse("user,pcap=/nonexistent/file").open("net0"))
                .hasMessageContaining("pcap=/nonexistent/file cannot be written");
    }
}
